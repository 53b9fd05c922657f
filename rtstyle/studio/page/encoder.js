// A worker that makes camera pictures into what the server takes: a stamp (float64), then a JPEG.

const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { alpha: false });

onmessage = async ({ data: { frame, stamp, width, height, quality } }) => {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const scale = Math.max(width / frame.displayWidth, height / frame.displayHeight); // fill, cut at the middle
  const wide = frame.displayWidth * scale, high = frame.displayHeight * scale;
  context.drawImage(frame, (width - wide) / 2, (height - high) / 2, wide, high);
  frame.close();
  const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality });
  postMessage(new Blob([new Float64Array([stamp]), jpeg]));
};
