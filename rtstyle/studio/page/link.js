// The connection to the server: pictures and state down, actions and camera pictures up; it comes back by itself.

const HEADER = 12; // bytes before the JPEG: number (uint32), stamp of the own camera (float64)
const SILENCE = 5000; // ms; the state comes five times a second, so this long means that it is gone

/** on: {open(), close(), picture(bitmap, stamp), hello(message), state(message), error(message), took()} */
export function connect(on) {
  const address = new URL("live", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const waiting = new Map(); // the newest of each action since the last animation frame
  let socket, heard, tries = 0, drawn = -1, unseen = [];

  function open() {
    socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    heard = performance.now();
    drawn = -1;
    unseen = [];
    const own = socket;
    socket.onopen = () => { tries = 0; on.open(); };
    socket.onmessage = ({ data }) => {
      heard = performance.now();
      if (typeof data === "string") {
        const message = JSON.parse(data);
        on[message.type]?.(message);
      } else draw(own, data);
    };
    socket.onclose = () => {
      if (own !== socket) return;
      const wait = Math.min(3, 0.3 * 1.6 ** tries++);
      on.close();
      setTimeout(open, 1000 * wait);
    };
  }

  async function draw(own, data) {
    const view = new DataView(data), number = view.getUint32(0, true), stamp = view.getFloat64(4, true);
    try {
      const bitmap = await createImageBitmap(new Blob([data.slice(HEADER)], { type: "image/jpeg" }));
      if (own === socket && number > drawn) {
        drawn = number;
        on.picture(bitmap, stamp);
      }
      bitmap.close();
    } catch { /* one picture that cannot be decoded is one picture less */ }
    if (own !== socket) return;
    // A hidden page asks for no more pictures, until it is seen again.
    if (document.hidden) unseen.push(number); else write({ seen: number });
  }

  function write(message) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) unseen.splice(0).forEach((number) => write({ seen: number, late: true }));
  });
  setInterval(() => {
    if (socket.readyState !== WebSocket.CLOSED && performance.now() - heard > SILENCE) {
      // close() of a dead connection takes its time to tell; go on without it.
      const dead = socket;
      dead.onclose(); dead.onclose = null; dead.onmessage = null; dead.close();
      heard = performance.now() + 3000;
    }
  }, 1000);
  open();

  return {
    act: (action, values = {}) => write({ do: action, ...values }),
    /** As `act`, but only the newest of each animation frame, for sliders under a moving finger. */
    soon(action, values) {
      if (!waiting.size) requestAnimationFrame(() => {
        for (const [each, given] of waiting) write({ do: each, ...given });
        waiting.clear();
      });
      waiting.set(action, values);
    },
    camera: (on) => write({ camera: on }),
    send(data) { if (socket.readyState === WebSocket.OPEN) socket.send(data); },
  };
}
