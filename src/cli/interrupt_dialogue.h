#pragma once

namespace berth::cli {

// What Ctrl-C means: asked first, where there is somebody to ask, "detach (d) or cancel (c)?"; the
// second cancels without asking, and one more leaves what is being cancelled to itself. Where there
// is nobody to ask the first cancels.
//
// Threading: one thread at a time.
class InterruptDialogue {
 public:
  enum class Step { kNothing, kAsk, kDetach, kCancel, kLeave };

  explicit InterruptDialogue(bool asks) : asks_(asks) {}

  Step OnInterrupt() {
    if (cancelled_) return Step::kLeave;
    if (asks_ && !asking_) {
      asking_ = true;
      return Step::kAsk;
    }
    return Cancel();
  }
  // Somebody else ends us, and may say so several times: nobody is asked, and nothing is left to
  // itself.
  Step OnTermination() { return cancelled_ ? Step::kNothing : Cancel(); }
  // A key, while asking.
  Step OnKey(char key) {
    if (!asking_ || cancelled_) return Step::kNothing;
    if (key == 'd' || key == 'D') return Step::kDetach;
    if (key == 'c' || key == 'C') return Cancel();
    return Step::kNothing;
  }
  bool asking() const { return asking_ && !cancelled_; }

 private:
  Step Cancel() {
    cancelled_ = true;
    return Step::kCancel;
  }

  const bool asks_;
  bool asking_ = false;
  bool cancelled_ = false;
};

}  // namespace berth::cli
