#include "cli/typing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cli/interrupt_dialogue.h"

namespace berth::cli {
namespace {

using Step = InterruptDialogue::Step;

TEST(DetachKeysTest, OnlyBothKeysInARowDetach) {
  DetachKeys keys;
  EXPECT_EQ(keys.Pass("a\x10"), "a");  // held back until it is known what follows
  EXPECT_EQ(keys.Pass("b"),
            "\x10"
            "b");
  EXPECT_EQ(keys.Pass("\x10\x10"), "\x10");
  EXPECT_FALSE(keys.found());
  EXPECT_EQ(keys.Pass("\x11more"), "");
  EXPECT_TRUE(keys.found());
}

TEST(DetachKeysTest, WhatCameBeforeThemIsPassedOn) {
  DetachKeys keys;
  EXPECT_EQ(keys.Pass("exit\n\x10\x11rest"), "exit\n");
  EXPECT_TRUE(keys.found());
}

TEST(InterruptDialogueTest, WhereNobodyCanBeAskedTheFirstCancels) {
  InterruptDialogue dialogue(false);
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kCancel);
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kLeave);
}

TEST(InterruptDialogueTest, ThePersonIsAskedFirst) {
  InterruptDialogue dialogue(true);
  EXPECT_EQ(dialogue.OnKey('d'), Step::kNothing);  // nothing was asked
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kAsk);
  EXPECT_EQ(dialogue.OnKey('x'), Step::kNothing);
  EXPECT_TRUE(dialogue.asking());
  EXPECT_EQ(dialogue.OnKey('d'), Step::kDetach);
}

TEST(InterruptDialogueTest, TheSecondCtrlCCancelsAndTheThirdLeaves) {
  InterruptDialogue dialogue(true);
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kAsk);
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kCancel);
  EXPECT_FALSE(dialogue.asking());
  EXPECT_EQ(dialogue.OnKey('d'), Step::kNothing);
  EXPECT_EQ(dialogue.OnInterrupt(), Step::kLeave);
}

TEST(InterruptDialogueTest, WhoIsEndedBySomebodyElseAsksNobody) {
  InterruptDialogue dialogue(true);
  EXPECT_EQ(dialogue.OnTermination(), Step::kCancel);
  EXPECT_EQ(dialogue.OnTermination(), Step::kNothing) << "it is said several times as a rule";
}

// Notes what is typed.
class TypingTest : public ::testing::Test {
 protected:
  TypingTest() {
    EXPECT_EQ(pipe(input_), 0);
    EXPECT_EQ(pipe(windows_), 0);
    EXPECT_EQ(pipe(interrupts_), 0);
  }
  ~TypingTest() override {
    for (const int* ends : {input_, windows_, interrupts_}) {
      close(ends[0]);
      if (ends != input_ || !input_closed_) close(ends[1]);
    }
  }

  Typing::Callbacks Callbacks() {
    return {.on_input =
                [this](std::string typed) {
                  Note("typed " + typed);
                  return true;
                },
            .on_input_end = [this] { Note("end"); },
            .on_window =
                [this](const TerminalSize& size) {
                  Note(std::to_string(size.rows) + "x" + std::to_string(size.columns));
                },
            .on_detach = [this] { Note("detach"); },
            .on_interrupt = [this] { Note("interrupt"); }};
  }
  void Note(std::string what) {
    base::MutexLock lock(mutex_);
    notes_.push_back(std::move(what));
    changed_.NotifyAll();
  }
  std::vector<std::string> Await(size_t count) {
    base::MutexLock lock(mutex_);
    while (notes_.size() < count) changed_.Wait(mutex_);
    return notes_;
  }
  void Type(const std::string& text) {
    EXPECT_EQ(write(input_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  int input_[2] = {-1, -1};
  int windows_[2] = {-1, -1};
  int interrupts_[2] = {-1, -1};
  bool input_closed_ = false;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> notes_ BERTH_GUARDED_BY(mutex_);
};

TEST_F(TypingTest, WhatIsTypedComesInOrderWithItsEnd) {
  const Typing typing({.input_fd = input_[0]}, Callbacks());
  Type("one");
  Await(1);
  Type("two");
  Await(2);
  close(input_[1]);
  input_closed_ = true;
  EXPECT_EQ(Await(3), (std::vector<std::string>{"typed one", "typed two", "end"}));
}

TEST_F(TypingTest, InterruptsAndWindowsAreHeardBesideIt) {
  const base::UniqueFd terminal(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  winsize size = {};
  size.ws_row = 31;
  size.ws_col = 97;
  ASSERT_EQ(ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  const Typing typing({.input_fd = input_[0],
                       .window_fd = windows_[0],
                       .terminal_fd = terminal.get(),
                       .interrupt_fd = interrupts_[0]},
                      Callbacks());
  EXPECT_EQ(write(interrupts_[1], "i", 1), 1);
  Await(1);
  EXPECT_EQ(write(windows_[1], "w", 1), 1);
  EXPECT_EQ(Await(2), (std::vector<std::string>{"interrupt", "31x97"}));
}

TEST_F(TypingTest, AfterTheDetachKeysNothingMoreIsRead) {
  const Typing typing({.input_fd = input_[0], .detach_keys = true}, Callbacks());
  Type("a\x10\x11");
  EXPECT_EQ(Await(2), (std::vector<std::string>{"typed a", "detach"}));
  Type("b");
}

TEST_F(TypingTest, ItEndsWhileNothingIsTyped) {
  { const Typing typing({.input_fd = input_[0]}, Callbacks()); }
  base::MutexLock lock(mutex_);
  EXPECT_TRUE(notes_.empty());
}

TEST(RawTerminalTest, ATerminalIsSetBack) {
  const base::UniqueFd holder(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios before = {};
  termios during = {};
  termios after = {};
  ASSERT_EQ(tcgetattr(holder.get(), &before), 0);
  {
    const RawTerminal raw(holder.get(), RawTerminal::Mode::kRaw);
    ASSERT_EQ(tcgetattr(holder.get(), &during), 0);
  }
  ASSERT_EQ(tcgetattr(holder.get(), &after), 0);
  EXPECT_EQ(during.c_lflag & static_cast<tcflag_t>(ICANON | ISIG), 0u);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  EXPECT_EQ(after.c_iflag, before.c_iflag);
  EXPECT_EQ(after.c_oflag, before.c_oflag);
}

TEST(RawTerminalTest, WhatIsNoTerminalIsLeftAlone) {
  const RawTerminal nothing(-1, RawTerminal::Mode::kRaw);
  EXPECT_EQ(SizeOfTerminal(-1), std::nullopt);
}

}  // namespace
}  // namespace berth::cli
