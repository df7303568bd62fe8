// Runs on the audio thread: hands on what the microphone gives, in blocks of 2048 samples.
registerProcessor("tap", class extends AudioWorkletProcessor {
  block = new Float32Array(2048);
  filled = 0;

  process([[channel]]) {
    if (!channel) return true;
    this.block.set(channel, this.filled);
    this.filled += channel.length;
    if (this.filled === this.block.length) {
      this.port.postMessage(this.block.slice());
      this.filled = 0;
    }
    return true;
  }
});
