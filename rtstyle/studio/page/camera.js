// This device's camera, sent to the server picture by picture, no faster than it takes them.

const UNDER_WAY = 2; // pictures sent and not yet taken
const QUALITY = 0.85;
const PATIENCE = 2000; // ms after which a picture that was not taken counts as lost

/** link: {send(data)}; ended(): called when the camera goes away by itself. */
export function makeCamera(link, ended) {
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  let stream = null, sent = [], encoding = false;

  async function start({ width, height, rate }, device) {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give their camera only to HTTPS pages and to localhost.");
    }
    stop();
    const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: rate } };
    if (device) wanted.deviceId = { exact: device };
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw new Error({
        NotAllowedError: "The browser has refused the camera. Allow it in the address bar, then try again.",
        NotFoundError: "This device has no camera.",
        NotReadableError: "The camera is in use by another program.",
      }[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
    canvas.width = width;
    canvas.height = height;
    sent = [];
    const own = stream;
    own.getVideoTracks()[0].onended = () => { if (own === stream) { stop(); ended(); } };
    video.srcObject = own;
    await video.play();
    next(own);
  }

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
  }

  function next(own) {
    if (own !== stream) return;
    const then = (now, metadata) => { offer(own, metadata?.captureTime ?? now); next(own); };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(then); else requestAnimationFrame(then);
  }

  function offer(own, stamp) {
    sent = sent.filter((then) => performance.now() - then < PATIENCE);
    if (own !== stream || encoding || sent.length >= UNDER_WAY || !video.videoWidth) return;
    const { width, height } = canvas;
    const scale = Math.max(width / video.videoWidth, height / video.videoHeight); // fill, cut at the middle
    const wide = video.videoWidth * scale, high = video.videoHeight * scale;
    context.drawImage(video, (width - wide) / 2, (height - high) / 2, wide, high);
    encoding = true;
    sent.push(performance.now());
    canvas.toBlob(async (blob) => {
      if (blob && own === stream) link.send(new Blob([new Float64Array([stamp]), blob]));
      encoding = false;
    }, "image/jpeg", QUALITY);
  }

  return {
    start, stop,
    took() { sent.shift(); },
    get on() { return stream !== null; },
    get device() { return stream?.getVideoTracks()[0].getSettings().deviceId; },
    async devices() {
      return (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    },
  };
}
