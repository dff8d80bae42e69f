import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { isRiffleError } from "../../errors.ts";
import { readDirectories, type Directories } from "./directory.ts";
import { readImage, type TiffImage } from "./image.ts";
import { IndexBytes } from "./index-bytes.ts";

/** A file whose directories were read, and none of its tables of units. */
export interface TiffFile extends Directories {
  readonly index: IndexBytes;
  /** One for each directory of the main chain; undefined where it describes no image. */
  readonly images: readonly (TiffImage | undefined)[];
}

/** Throws `malformed` when the file has no first image. */
export async function openTiff(
  source: RangeSource,
  options: ReadOptions & { readonly maxBytes?: number } = {},
): Promise<TiffFile> {
  const index = new IndexBytes(source, options);
  const directories = await readDirectories(index);
  const images: (TiffImage | undefined)[] = [];
  for (const [i, directory] of directories.chain.entries()) {
    try {
      images.push(await readImage(index, { directory, layout: directories.layout }));
    } catch (error) {
      if (i === 0 || !isRiffleError(error) || error.code !== "malformed") throw error;
      images.push(undefined);
    }
  }
  return { ...directories, index, images };
}
