// Follows a growing text: scrolls smoothly to the end until the reader scrolls
// away.

const NEAR = 56; // px from the end that still count as the end

export class Follow {
  #area;
  #onChange;
  #following = true;
  #last = 0;
  #frame = 0;
  /** still turns following off while there is nothing to follow. */
  still = false;
  #calm = matchMedia('(prefers-reduced-motion: reduce)');

  /** area scrolls, content grows inside it; onChange(following) is called when the reader leaves the end or returns to it. */
  constructor(area, content, onChange) {
    this.#area = area;
    this.#onChange = onChange;
    area.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    // Scrolling up by wheel or touch stops the following, even while the page
    // still scrolls down.
    area.addEventListener('wheel', (event) => event.deltaY < 0 && this.#set(false), { passive: true });
    new ResizeObserver(() => this.#following && !this.still && this.#glide()).observe(content);
    new ResizeObserver(() => this.#following && !this.still && this.jump()).observe(area);
  }

  get following() {
    return this.#following;
  }

  /** jump scrolls to the end at once and follows from there. */
  jump() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#set(true);
    this.#area.scrollTop = this.still ? 0 : this.#end();
    this.#last = this.#area.scrollTop;
  }

  /** glide scrolls to the end smoothly. */
  glideToEnd() {
    this.#set(true);
    this.#glide();
  }

  #end() {
    return this.#area.scrollHeight - this.#area.clientHeight;
  }

  #scrolled() {
    const top = this.#area.scrollTop;
    const up = top < this.#last - 1;
    this.#last = top;
    if (this.#end() - top <= NEAR && !up) this.#set(true);
    else if (up && this.#end() - top > NEAR) this.#set(false);
  }

  #glide() {
    if (this.#calm.matches) {
      this.jump();
      return;
    }
    if (this.#frame) return;
    const step = () => {
      this.#frame = 0;
      if (!this.#following) return;
      const left = this.#end() - this.#area.scrollTop;
      if (left <= 1) return;
      if (left > 3 * this.#area.clientHeight) this.#area.scrollTop = this.#end();
      else this.#area.scrollTop += Math.max(1, left * 0.22);
      this.#last = this.#area.scrollTop;
      this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #set(following) {
    if (following === this.#following) return;
    this.#following = following;
    this.#onChange(following);
  }
}
