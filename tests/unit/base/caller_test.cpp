#include "agent/base/caller.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ringside::agent {
namespace {

AccessPolicy strict() {
    AccessPolicy policy;
    policy.own_uid = 990;
    policy.operator_uids = {1000};
    policy.operator_gids = {2000};
    policy.any_tenant = false;
    return policy;
}

PeerCredentials peer(std::uint32_t uid, std::vector<std::uint32_t> gids = {1}) { return {uid, std::move(gids), 1}; }

TEST(AccessPolicy, TakesRootTheAgentAndOperatorsForOperators) {
    for (const auto& who : {peer(0), peer(990), peer(1000), peer(5000, {7, 2000})}) {
        const auto caller = strict().judge(who);
        ASSERT_TRUE(caller) << who.uid;
        EXPECT_TRUE(caller->is_operator) << who.uid;
        EXPECT_EQ(caller->uid, who.uid);
    }
}

TEST(AccessPolicy, ForbidsOthersWhereTenantsAreListed) {
    AccessPolicy policy = strict();
    EXPECT_FALSE(policy.judge(peer(5000)));
    policy.tenant_uids = {5000};
    policy.tenant_gids = {3000};
    ASSERT_TRUE(policy.judge(peer(5000)));
    EXPECT_FALSE(policy.judge(peer(5000))->is_operator);
    ASSERT_TRUE(policy.judge(peer(5001, {3000})));
    EXPECT_FALSE(policy.judge(peer(5001)));
}

TEST(AccessPolicy, TakesEveryOtherUidForATenantWhereAnyMayConnect) {
    AccessPolicy policy = strict();
    policy.any_tenant = true;
    ASSERT_TRUE(policy.judge(peer(5000)));
    EXPECT_FALSE(policy.judge(peer(5000))->is_operator);
}

TEST(Caller, SeesItsOwnVmsOnlyUnlessAnOperator) {
    EXPECT_TRUE((Caller{7, false}).may_see(7));
    EXPECT_FALSE((Caller{7, false}).may_see(8));
    EXPECT_FALSE((Caller{7, false}).may_see(0));
    EXPECT_TRUE((Caller{7, true}).may_see(8));
}

TEST(PeerCredentials, AreThoseOfTheProcessAtTheOtherEnd) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const auto who = peer_credentials(ends[0]);
    ASSERT_TRUE(who) << who.error().message();
    EXPECT_EQ(who->uid, geteuid());
    EXPECT_EQ(who->pid, getpid());
    EXPECT_NE(std::find(who->gids.begin(), who->gids.end(), getegid()), who->gids.end());
    close(ends[0]);
    close(ends[1]);
}

TEST(PeerCredentials, FailForWhatIsNoSocket) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_FALSE(peer_credentials(ends[0]));
    close(ends[0]);
    close(ends[1]);
}

}  // namespace
}  // namespace ringside::agent
