import { configureProperties } from "./seed.ts";

configureProperties();
