// A socket that comes back by itself: sooner after a short pause, later after a long one.

const SOONEST_MS = 500;
const LATEST_MS = 8000;

export function listen(path, { onText, onColumns, onLink }) {
  let pause = SOONEST_MS;
  const call = () => {
    const url = new URL(path, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      pause = SOONEST_MS;
      onLink?.(true);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") onText?.(JSON.parse(data));
      else onColumns?.(columnsOf(data));
    };
    socket.onclose = () => {
      onLink?.(false);
      setTimeout(call, pause * (0.75 + Math.random() / 2));
      pause = Math.min(2 * pause, LATEST_MS);
    };
  };
  call();
}

// The message LRCO of link/telemetry.py: magic, version, columns, bands, sequence, time, bytes.
function columnsOf(buffer) {
  const view = new DataView(buffer);
  const count = view.getUint8(5);
  const bands = view.getUint16(6, true);
  const levels = new Uint8Array(buffer, 20);
  return Array.from({ length: count }, (_, i) => levels.subarray(i * bands, (i + 1) * bands));
}
