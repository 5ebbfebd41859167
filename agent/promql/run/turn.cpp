#include "agent/promql/run/turn.h"

#include <algorithm>

namespace ringside::agent {

Result<void> go_on(FairPool::Turn& turn, FairPool::Time deadline) {
    const bool may = turn.go_on(deadline);
    if (turn.hung_up()) return error(Code::kUnavailable, "the client has hung up");
    if (!may) {
        return error(Code::kUnavailable,
                     "too many queries take long already; try again, or ask for fewer series, a shorter time or a "
                     "larger step");
    }
    if (std::chrono::steady_clock::now() >= deadline) return error(Code::kTimeout, "the query took longer than it may");
    return {};
}

QueryTurn::QueryTurn(QueryHost& host, const Caller& caller, const Query& query, FairPool::Turn& turn,
                     FairPool::Time deadline)
    : host_(host),
      caller_(caller),
      query_(query),
      turn_(turn),
      deadline_(deadline),
      share_(host.budget, !caller.is_operator),
      known_(host.costs.find(caller, query)) {
    if (!caller.is_operator) turn_.be_guest();
    // Dashboards ask the same again and again: one that is known to be long begins as such.
    if (known_) turn_.expect(known_->used);
    // Until it has ended, others that ask the same find workers.
    if (turn_.is_here()) host_.costs.put(caller_, query_, {});
}

QueryTurn::~QueryTurn() {
    QueryCosts::Cost cost{.used = turn_.used(), .waits = waits_};
    // One that was ended has shown the least that it takes.
    if (!is_whole_) cost = {.used = std::max({cost.used, known_ ? known_->used : cost.used, FairPool::kUnknownTime})};
    host_.costs.put(caller_, query_, cost);
}

Result<QueryAnswer> QueryTurn::run(const promql::Expr& expr, QuerySession& session) {
    // Before it has anything in memory.
    if (auto may = go_on(); !may) return may.error();
    QueryLimits limits = host_.limits;
    limits.samples_max = std::min(limits.samples_max, share_.samples());
    session.before_waiting([this] {
        waits_ = true;
        turn_.leave_caller();
    });
    auto answer = run_query(query_, expr, limits, session, [this] { return !go_on().ok(); });
    is_whole_ = answer || answer.error().code == Code::kInvalid;
    if (answer) return answer;
    // The engine only knows that it was told to end.
    if (answer.error().code == Code::kTimeout) {
        if (auto why = go_on(); !why && why.error().code != Code::kTimeout) return why.error();
    }
    if (answer.error().code == Code::kExhausted && limits.samples_max < host_.limits.samples_max) {
        return error(Code::kUnavailable, "other queries have too many samples in memory; try again");
    }
    return answer;
}

}  // namespace ringside::agent
