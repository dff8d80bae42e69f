// One tensor of a model, without the others: the header, then that tensor's bytes.
//
//   node examples/safetensors-tensor.mjs ghcr.io/models/tiny:v1 model.safetensors lm_head.weight
import { open } from "rifflefs";

const [reference, path, name] = process.argv.slice(2);
if (reference === undefined || path === undefined) {
  console.error("usage: safetensors-tensor.mjs REF PATH [TENSOR]");
  process.exit(2);
}

const artifact = await open(reference);
try {
  const model = await artifact.array(path);
  if (name === undefined) {
    for (const { name: tensor, dtype, shape } of model.metadata.arrays) console.log(tensor, dtype, shape.join("x"));
  } else {
    const plan = await model.plan({ name });
    console.log(`${plan.requests} requests for ${plan.bytesNeeded} bytes`);
    const parts = [];
    let shape = [];
    let dtype = "";
    for await (const block of model.scan({ name })) {
      ({ shape, dtype } = block);
      parts.push(block.data);
    }
    const bytes = Buffer.concat(parts);
    console.log(
      `${name}: ${dtype}, ${shape.join("x")}, ${bytes.length} bytes, the first are ${bytes.subarray(0, 4).join(",")}`,
    );
  }
  await model.close();
  const { bytesFetchedByKind } = artifact.stats();
  console.log(`fetched ${bytesFetchedByKind.blob} bytes of the file`);
} finally {
  await artifact.close();
}
