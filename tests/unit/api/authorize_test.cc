#include "api/authorize.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace berth::api {
namespace {

constexpr uid_t kDaemon = 990;
constexpr uid_t kAda = 1000;
constexpr uid_t kNameless = 4242;
constexpr uid_t kOdd = 1001;
constexpr uid_t kDefault = 1002;

Authorizer MakeAuthorizer(bool insecure_tcp = false, bool insecure_agents = false) {
  return Authorizer({.operator_uid = kDaemon,
                     .insecure_tcp = insecure_tcp,
                     .insecure_agents = insecure_agents,
                     .user_name = [](uid_t uid) -> std::optional<std::string> {
                       if (uid == kAda) return "ada";
                       if (uid == kOdd) return "odd name!";
                       if (uid == kDefault) return "default";
                       return std::nullopt;
                     }});
}

class AuthorizeTest : public ::testing::Test {
 protected:
  state::Principal Connect(int fd, uid_t uid) {
    authorizer_.NoteConnection(fd, {.uid = uid, .gid = 77});
    const auto principal = authorizer_.PrincipalOf("fd:" + std::to_string(fd));
    EXPECT_TRUE(principal.ok()) << principal.status();
    return principal.value_or(state::Principal{});
  }

  Authorizer authorizer_ = MakeAuthorizer();
};

TEST_F(AuthorizeTest, RootAndTheDaemonsUserAreOperators) {
  for (const uid_t uid : {uid_t{0}, kDaemon}) {
    const state::Principal principal = Connect(9, uid);
    EXPECT_TRUE(principal.is_operator);
    EXPECT_TRUE(principal.all_namespaces);
    EXPECT_TRUE(principal.verified);
    EXPECT_EQ(principal.uid, uid);
    EXPECT_TRUE(RequireOperator(principal, "cordon a node").ok());
    EXPECT_TRUE(authorizer_.AgentPrincipalOf("fd:9").ok());
  }
}

TEST_F(AuthorizeTest, AnotherUserSeesDefaultAndTheNamespaceOfItsName) {
  const state::Principal principal = Connect(9, kAda);
  EXPECT_EQ(principal.name, "uid:1000");
  EXPECT_TRUE(principal.verified);
  EXPECT_EQ(principal.gid, 77u);
  EXPECT_FALSE(principal.is_operator);
  EXPECT_TRUE(principal.MaySee("default"));
  EXPECT_TRUE(principal.MaySee("ada"));
  EXPECT_FALSE(principal.MaySee("bob"));
}

TEST_F(AuthorizeTest, AUserWithoutAUsableNameSeesDefaultAlone) {
  for (const uid_t uid : {kNameless, kOdd, kDefault}) {
    EXPECT_EQ(Connect(9, uid).namespaces, std::vector<std::string>{"default"});
  }
}

TEST_F(AuthorizeTest, RefusalsSayWhoMayAndWhere) {
  const state::Principal principal = Connect(9, kAda);
  const absl::Status cordon = RequireOperator(principal, "cordon a node");
  EXPECT_EQ(cordon.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(cordon.message(),
            "uid:1000 may not cordon a node; operators are root and the daemon's own user, on its "
            "Unix socket");
  const absl::Status submit = RequireNamespace(principal, "bob");
  EXPECT_EQ(submit.message(),
            "namespace \"bob\": uid:1000 may not submit there, only to \"ada\", \"default\"");
  EXPECT_EQ(authorizer_.AgentPrincipalOf("fd:9").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(AuthorizeTest, ANumberThatComesAgainIsTheNewConnection) {
  Connect(9, 0);
  EXPECT_EQ(Connect(9, kAda).uid, kAda);
}

TEST_F(AuthorizeTest, APeerThatWasNeverAcceptedIsNobody) {
  for (const char* peer : {"fd:10", "fd:", "fd:-1", "fd:9x", "fd: 9", "", "unix:/run/x",
                           "unix:", "ipv4:127.0.0.1:4711", "ipv6:[::1]:4711"}) {
    EXPECT_EQ(authorizer_.PrincipalOf(peer).status().code(), absl::StatusCode::kPermissionDenied)
        << peer;
  }
}

TEST(AuthorizeTcpTest, EverybodyIsAnonymousAndSeesDefault) {
  const Authorizer authorizer = MakeAuthorizer(/*insecure_tcp=*/true);
  for (const char* peer : {"ipv4:127.0.0.1:4711", "ipv6:[::1]:4711", "ipv6:%5B::1%5D:4711"}) {
    const auto principal = authorizer.PrincipalOf(peer);
    ASSERT_TRUE(principal.ok());
    EXPECT_EQ(principal->name, "anonymous");
    EXPECT_FALSE(principal->verified);
    EXPECT_FALSE(principal->is_operator);
    EXPECT_TRUE(principal->MaySee("default"));
    EXPECT_FALSE(principal->MaySee("ada"));
  }
}

// An agent is sent what every user runs.
TEST(AuthorizeTcpTest, AgentsNeedAKeyOfTheirOwn) {
  constexpr char kPeer[] = "ipv4:127.0.0.1:4711";
  const absl::Status refused = MakeAuthorizer(true).AgentPrincipalOf(kPeer).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_NE(refused.message().find("`insecureAgents: true`"), std::string::npos);
  EXPECT_TRUE(MakeAuthorizer(true, true).AgentPrincipalOf(kPeer).ok());
  EXPECT_FALSE(MakeAuthorizer(false, true).AgentPrincipalOf(kPeer).ok());
}

TEST(SystemUserNameTest, FindsRootAndNotAUidThatNobodyHas) {
  EXPECT_EQ(SystemUserName(0), "root");
  EXPECT_EQ(SystemUserName(3'999'999'999u), std::nullopt);
}

}  // namespace
}  // namespace berth::api
