import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { emptyAnswer, errorAnswer, type Answer } from "./answer.ts";
import type { RegistryStore, Upload } from "./store.ts";

export interface Uploads {
  /** Answers everything below `/v2/<repository>/blobs/uploads/`; `id` is empty for the POST that opens one. */
  handle(
    request: IncomingMessage,
    place: { readonly repository: string; readonly id: string; readonly query: URLSearchParams },
  ): Promise<Answer>;
}

async function take(request: IncomingMessage, upload: Upload): Promise<void> {
  // the stream of a request without an encoding yields buffers
  for await (const piece of request as AsyncIterable<Buffer>) upload.append(piece);
}

const accepted = (repository: string, id: string, upload: Upload): Answer =>
  emptyAnswer(202, {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    "Docker-Upload-UUID": id,
    Range: `0-${Math.max(0, upload.size() - 1)}`,
  });

const created = (repository: string, digest: string): Answer =>
  emptyAnswer(201, { Location: `/v2/${repository}/blobs/${digest}`, "Docker-Content-Digest": digest });

const finish = (upload: Upload, repository: string, digest: string): Answer =>
  upload.finish(digest) ? created(repository, digest) : errorAnswer(400, "DIGEST_INVALID");

/** distribution-spec v1.1, "Pushing blobs": POST then PUT, one POST, chunks by PATCH, and mounts from elsewhere. */
export function createUploads(store: RegistryStore): Uploads {
  const open = new Map<string, Upload>();

  return {
    async handle(request, { repository, id, query }) {
      const digest = query.get("digest");
      if (id === "") {
        if (request.method !== "POST") return errorAnswer(405, "UNSUPPORTED");
        const mount = query.get("mount");
        if (mount !== null && store.blob(mount) !== undefined) return created(repository, mount);
        const upload = store.upload();
        await take(request, upload);
        if (digest !== null) return finish(upload, repository, digest);
        const fresh = randomUUID();
        open.set(fresh, upload);
        return accepted(repository, fresh, upload);
      }
      const upload = open.get(id);
      if (upload === undefined) return errorAnswer(404, "BLOB_UPLOAD_UNKNOWN");
      if (request.method === "GET") return { ...accepted(repository, id, upload), status: 204 };
      if (request.method === "DELETE") {
        upload.discard();
        open.delete(id);
        return emptyAnswer(204);
      }
      if (request.method !== "PATCH" && request.method !== "PUT") return errorAnswer(405, "UNSUPPORTED");
      const start = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
      if (start !== undefined && Number(start) !== upload.size()) return emptyAnswer(416);
      await take(request, upload);
      if (request.method === "PATCH") return accepted(repository, id, upload);
      open.delete(id);
      if (digest === null) return errorAnswer(400, "DIGEST_INVALID");
      return finish(upload, repository, digest);
    },
  };
}
