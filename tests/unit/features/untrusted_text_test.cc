#include "features/untrusted_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/utf8.h"

namespace berth::features {
namespace {

using namespace std::string_literals;

TEST(PlainTextTest, KeepsWhatPeopleWrite) {
  const std::string text = "#SBATCH --mem=64G\n\t需要 8 块 A100，Größe 5 µm, emoji 😀, e\u0301";
  EXPECT_EQ(PlainText(text), text);
}

TEST(PlainTextTest, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(PlainText("a\xff"
                      "b\xc0\x80"),
            "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(PlainText("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(PlainText("\uFFFE\U0001FFFF"), "\uFFFD\uFFFD");
}

TEST(PlainTextTest, LeavesOutWhatDrivesTerminals) {
  EXPECT_EQ(PlainText("\x1b[2J\x1b[1;31mred\x1b[0m"), "red");
  EXPECT_EQ(PlainText("\x1b]0;title\ajob"), "job");
  EXPECT_EQ(PlainText("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\"), "click");
  EXPECT_EQ(PlainText("\x1bPdata\x1b\\x\x1b(By\x1b"), "xy");
  EXPECT_EQ(PlainText("\u009b31mred"), "red");
  EXPECT_EQ(PlainText("a\0b\x08\x7f\u0081"s), "ab");
  // A string that never ends hides nothing.
  EXPECT_EQ(PlainText("\x1b]0;no end\nnext"), "0;no end\nnext");
}

TEST(PlainTextTest, LeavesOutWhatNobodySees) {
  EXPECT_EQ(PlainText("ig\u200bn\u200co\u200dr\ufeffe\u2060 \u00ada\u034fl\u061cl"), "ignore all");
  EXPECT_EQ(PlainText("x\u202e\u2066y\u2069\u202c"), "xy");
  EXPECT_EQ(PlainText("\U000e0069\U000e0100z\ufe0f"), "z");
}

TEST(PlainTextTest, MakesLineEndsOfOneKind) {
  EXPECT_EQ(PlainText("a\r\nb\rc\u2028d\u2029e\u0085f"), "a\nb\nc\nd\ne\nf");
}

TEST(WithoutSecretsTest, RemovesThemAndSaysWhatTheyWere) {
  struct Case {
    std::string text;
    std::string secret;
  };
  const std::vector<Case> cases = {
      {"AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"},
      {"key sk-abcdefghijklmnopqrstuvwx1234", "abcdefghijklmnop"},
      {"ghp_0123456789abcdefghijABCDEFGHIJ012345 x", "ghp_0123"},
      {"github_pat_11ABCDEFG0abcdefghijklmnop_qrstuv", "github_pat_11"},
      {"glpat-abcdefghij0123456789", "glpat-abc"},
      {"hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "hf_AbCd"},
      {"xoxp-1234567890-abcdef", "xoxp-1234"},
      {"https://hooks.slack.com/services/T000/B000/XXXX", "T000/B000"},
      {"AIzaSyA-1234567890abcdefghijklmnopqrstu", "AIzaSyA"},
      {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF_-123", "eyJzdWIi"},
      {"https://user:pa55@host/x?y", "pa55"},
      {"postgres://u:p@ss@db:5432/x", "p@ss"},
      {"Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"},
      {"curl -H 'authorization: token abcd1234efgh'", "abcd1234efgh"},
      {"bearer 0123456789abcdef", "0123456789abcdef"},
      {"x?X-Amz-Signature=abcdef0123&y=1", "abcdef0123"},
      {"DB_PASSWORD=hunter2", "hunter2"},
      {"password: \"two words\"", "two words"},
      {"{\"client_secret\": \"qwertz\"}", "qwertz"},
      {"--password hunter2 --x", "hunter2"},
      {"--api-key=abc123", "abc123"},
      {"export ENCRYPTION_KEY='abc def'", "abc def"},
      {"STORAGE_KEY=qwertz123", "qwertz123"},
      {"the password is swordfish.", "swordfish"},
      {"密码：天王盖地虎", "天王盖地虎"},
      {"密钥是 abcdef", "abcdef"},
      {"curl -u bob:pw123 https://x", "pw123"},
      {"sshpass -p pw123 ssh x", "pw123"},
      {"mysql -u root -ppw123 db", "pw123"},
      {"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----", "def"},
      {"-----BEGIN PRIVATE KEY-----\nabc, cut off", "cut off"},
      {std::string(64, 'Q') + "\n" + std::string(63, 'z') + "=\n", "zzzz"},
  };
  for (const Case& c : cases) {
    const std::string clean = WithoutSecrets(c.text);
    EXPECT_EQ(clean.find(c.secret), std::string::npos) << c.text << " -> " << clean;
    EXPECT_NE(clean.find("removed]"), std::string::npos) << c.text << " -> " << clean;
    EXPECT_EQ(WithoutSecrets(clean), clean) << "once is enough";
  }
}

TEST(WithoutSecretsTest, LeavesWhatATaskTakes) {
  for (const std::string text :
       {"--max_tokens=4096 --tokenizer llama --num-tokens 1T", "#SBATCH --mem=64G --gpus=8",
        "python train.py --seed 42 --data s3://bucket/a/b.tar", "key: value sort -k 2 --key=col",
        "git clone https://github.com/x/y.git", "user@host:/data/x", "8 块 A100，跑 3 天",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}) {
    EXPECT_EQ(WithoutSecrets(text), text);
  }
}

TEST(HeadAndTailTest, KeepsBothEndsAndWholeCharacters) {
  EXPECT_EQ(HeadAndTail("short", 64), "short");
  std::string text = "begin ";
  for (int i = 0; i < 1000; ++i) text += "中";
  text += " end";
  for (size_t most = 64; most < 80; ++most) {
    const std::string cut = HeadAndTail(text, most);
    EXPECT_LE(cut.size(), most);
    EXPECT_TRUE(base::IsValidUtf8(cut));
    EXPECT_TRUE(cut.starts_with("begin "));
    EXPECT_TRUE(cut.ends_with(" end"));
    EXPECT_NE(cut.find("left out"), std::string::npos);
  }
}

}  // namespace
}  // namespace berth::features
