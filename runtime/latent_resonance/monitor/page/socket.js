// A WebSocket that reconnects by itself, with exponential back-off. Returns a function that sends
// a text if the socket is open.

const MIN_DELAY_MS = 500;
const MAX_DELAY_MS = 8000;

export function listen(path, { onText, onColumns, onLink }) {
  let delay = MIN_DELAY_MS;
  let socket = null;
  const connect = () => {
    const url = new URL(path, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      delay = MIN_DELAY_MS;
      onLink?.(true);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") onText?.(JSON.parse(data));
      else onColumns?.(columnsOf(data));
    };
    socket.onclose = () => {
      onLink?.(false);
      setTimeout(connect, delay * (0.75 + Math.random() / 2));
      delay = Math.min(2 * delay, MAX_DELAY_MS);
    };
  };
  connect();
  return (text) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
  };
}

// The message LRCO of link/telemetry.py: magic, version, columns, bands, sequence, time; then the
// levels of every column of the sound, and of what is generated.
function columnsOf(buffer) {
  const view = new DataView(buffer);
  const count = view.getUint8(5);
  const bands = view.getUint16(6, true);
  const levels = new Uint8Array(buffer, 20);
  const column = (i) => levels.subarray(i * bands, (i + 1) * bands);
  return Array.from({ length: count }, (_, i) => [column(i), column(count + i)]);
}
