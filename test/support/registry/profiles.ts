import type { RegistryOptions } from "./options.ts";

/** A real registry as it is known to behave; what is not named is as the specification has it. */
export interface RegistryProfile {
  readonly name: string;
  /** What stands out, for the table in docs/REGISTRIES.md. */
  readonly traits: readonly string[];
  readonly options: RegistryOptions;
  /** What a client needs to be let in. */
  readonly credential?: { readonly username?: string; readonly password?: string; readonly identityToken?: string };
}

const SIGNED = { expiresMs: 60_000 } as const;
const ANONYMOUS_TOKEN = { kind: "bearer" } as const;
const USER = { username: "reader", password: "s3cret-word" } as const;

/** Sources: the registries' documentation, sources and issue trackers; see docs/REGISTRIES.md. */
export const PROFILES: readonly RegistryProfile[] = [
  {
    name: "Docker Hub",
    traits: ["anonymous tokens", "307 to a CDN", "referrers API"],
    options: { auth: ANONYMOUS_TOKEN, redirect: SIGNED },
  },
  {
    name: "Amazon ECR, private",
    traits: ["Basic", "307 to object storage, which refuses credentials", "manifests without Docker-Content-Digest"],
    options: { auth: { kind: "basic", ...USER }, redirect: SIGNED, quirks: { noDigestHeader: true } },
    credential: USER,
  },
  {
    name: "Amazon ECR, public",
    traits: ["anonymous tokens", "307 to a CDN", "HEAD of a blob refused"],
    options: { auth: ANONYMOUS_TOKEN, redirect: SIGNED, quirks: { headBlob: "refused" } },
  },
  {
    name: "GitHub (GHCR)",
    traits: [
      "tokens that do not tell their life",
      "307 to storage; no Accept-Ranges",
      "referrers: 303 elsewhere, then 429",
    ],
    options: {
      auth: { kind: "bearer", tellsLife: false, member: "token" },
      redirect: SIGNED,
      quirks: { headBlob: "refused", noAcceptRanges: true, referrers: "elsewhere-429" },
    },
  },
  {
    name: "Quay.io",
    traits: ["302 to a CDN, with a Cache-Control that outlives the address"],
    options: {
      auth: ANONYMOUS_TOKEN,
      redirect: SIGNED,
      quirks: { redirectStatus: 302, redirectCacheControl: "max-age=31536000", noAcceptRanges: true },
    },
  },
  {
    name: "Quay on local storage",
    traits: ["no ranges: 200 and the whole blob", "gzip for those who take it"],
    options: { ranges: false, quirks: { gzipsBlobs: true } },
  },
  {
    name: "Harbor",
    traits: ["robot account", "307 to storage"],
    options: { auth: { kind: "bearer", ...USER }, redirect: SIGNED },
    credential: USER,
  },
  {
    name: "Harbor, proxy project",
    traits: ["cold: ranges ignored, HEAD is 404", "robot account"],
    options: { auth: { kind: "bearer", ...USER }, quirks: { coldWhole: true, headBlob: "missing-when-cold" } },
    credential: USER,
  },
  {
    name: "Azure (ACR)",
    traits: ["refresh token, POST", "access_token alone, life untold", "307 to storage, which refuses credentials"],
    options: {
      auth: { kind: "bearer", identityToken: "refresh-me", member: "access_token", tellsLife: false },
      redirect: SIGNED,
    },
    credential: { identityToken: "refresh-me" },
  },
  {
    name: "Google Artifact Registry",
    traits: ["302 to a relative address", "referrers: a page to sign in at", "no POST for tokens"],
    options: {
      auth: { kind: "bearer", ...USER, postStatus: 404 },
      redirect: SIGNED,
      quirks: { redirectStatus: 302, redirectRelative: true, referrers: "sign-in-page" },
    },
    credential: USER,
  },
  {
    name: "GitLab",
    traits: ["tokens of 60 s", "no referrers API"],
    options: { auth: { kind: "bearer", ...USER, tokenMs: 60_000 }, redirect: SIGNED, referrers: false },
    credential: USER,
  },
  {
    name: "JFrog Artifactory",
    traits: ["400 for a range on a manifest", "no POST for tokens (401)", "no Accept-Ranges"],
    options: {
      auth: { kind: "bearer", ...USER, postStatus: 401 },
      quirks: { refusesManifestRange: true, noAcceptRanges: true },
    },
    credential: USER,
  },
  {
    name: "zot before 2.1.17",
    traits: ["416 for suffix ranges"],
    options: { quirks: { rangeForms: "no-suffix" } },
  },
  {
    name: "zot 2.1.18",
    traits: ["307 for GETs without a range alone"],
    options: { redirect: SIGNED, quirks: { redirectWholeOnly: true } },
  },
  {
    name: "CNCF Distribution 2 and 3, redirecting",
    traits: ["307 to object storage", "no referrers API"],
    options: { redirect: SIGNED, referrers: false },
  },
  {
    name: "CNCF Distribution 2 and 3, not redirecting",
    traits: ["no referrers API"],
    options: { referrers: false },
  },
  {
    name: "CNCF Distribution, pull-through cache",
    traits: ["cold: ranges ignored", "no referrers API"],
    options: { referrers: false, quirks: { coldWhole: true } },
  },
  {
    name: "go-containerregistry's registry",
    traits: ["416 for open and suffix ranges"],
    options: { quirks: { rangeForms: "closed" } },
  },
  {
    name: "Gitea",
    traits: ["no ranges", "two challenges, Bearer and Basic", "no referrers API"],
    options: {
      auth: { kind: "bearer", ...USER, alsoBasic: true },
      ranges: false,
      referrers: false,
    },
    credential: USER,
  },
  {
    name: "a registry that bears four requests at once",
    traits: ["429 with Retry-After beyond four"],
    options: { latencyMs: 20, quirks: { mostAtOnce: 4 } },
  },
];
