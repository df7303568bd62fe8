// Sound in the browser: the microphone, and files that the server does not decode. Both end as WAV.

// 16-bit mono WAV of samples from -1 to 1.
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

// The mean of the channels; where they cancel each other, the loudest one: as `to_mono` of ser/audio.py.
export function mono(channels) {
  const energy = (samples) => samples.reduce((sum, value) => sum + value * value, 0);
  const mean = channels[0].map((_, i) => channels.reduce((sum, samples) => sum + samples[i], 0) / channels.length);
  const loudest = channels.reduce((one, other) => (energy(other) > energy(one) ? other : one));
  return energy(mean) < 0.1 * energy(loudest) ? loudest : mean;
}

// Whatever the browser decodes (m4a, webm, ...) as WAV.
export async function converted(file, rate) {
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  return wav(mono(channels), rate);
}

// Start recording; `tell(seconds, level)` is called all the while. Returns the function that stops and gives a WAV.
// Samples are taken as they come: MediaRecorder would compress them, and what that changes, the network hears.
export async function record(tell) {
  if (!navigator.mediaDevices) throw new Error("The browser gives the microphone to pages on localhost or over https only.");
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
  const blocks = [];
  let context, count = 0;
  const release = async () => {
    stream.getTracks().forEach((track) => track.stop());
    await context?.close();
  };
  try {
    context = new AudioContext();
    await context.audioWorklet.addModule("tap.js");
    const tap = new AudioWorkletNode(context, "tap");
    tap.port.onmessage = ({ data }) => {
      blocks.push(data);
      count += data.length;
      tell(count / context.sampleRate, Math.max(...data.map(Math.abs)));
    };
    context.createMediaStreamSource(stream).connect(tap);
  } catch (error) {
    await release(); // or the microphone would stay on
    throw error;
  }
  return async () => {
    await release();
    const samples = new Float32Array(count);
    blocks.reduce((at, block) => (samples.set(block, at), at + block.length), 0);
    return wav(samples, context.sampleRate);
  };
}
