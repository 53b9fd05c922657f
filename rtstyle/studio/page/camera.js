// This device's camera, sent to the server picture by picture, no faster than it takes them.

const UNDER_WAY = 2; // pictures sent and not yet taken
const QUALITY = 0.85;
const PATIENCE = 2000; // ms after which a picture that was not taken counts as lost

/** link: {send(data)}; ended(): called when the camera goes away by itself. */
export function makeCamera(link, ended) {
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  // Encoded by a worker: here it would wait until the page is idle, longest when the machine is busy.
  const encoder = new Worker("encoder.js");
  let stream = null, sent = [], encoding = false, size = {}, request = 0;

  async function start({ width, height, rate }, device) {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give their camera only to HTTPS pages and to localhost.");
    }
    if (!window.VideoFrame || !window.OffscreenCanvas) {
      throw new Error("This browser is too old to send its camera: it takes Chrome 94, Firefox 130, Safari 17 or newer.");
    }
    stop();
    const mine = request;
    const wanted = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: rate } };
    if (device) wanted.deviceId = { exact: device };
    let own;
    try {
      own = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw new Error({
        NotAllowedError: "The browser has refused the camera. Allow it in the address bar, then try again.",
        NotFoundError: "This device has no camera.",
        NotReadableError: "The camera is in use by another program.",
      }[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
    if (mine !== request) { // stopped, or asked for again, while the browser asked its user
      own.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = own;
    size = { width, height };
    sent = [];
    encoding = false;
    own.getVideoTracks()[0].onended = () => { if (own === stream) { stop(); ended(); } };
    video.srcObject = own;
    await video.play();
    next(own);
  }

  function stop() {
    request += 1;
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
    const frame = new VideoFrame(video, { timestamp: 1000 * stamp });
    encoding = true;
    sent.push(performance.now());
    encoder.postMessage({ frame, stamp, ...size, quality: QUALITY }, [frame]);
  }

  encoder.onmessage = ({ data }) => {
    encoding = false;
    if (stream) link.send(data);
  };

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
