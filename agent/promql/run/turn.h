// One query's use of its host: its turn on the pool, its share of the samples, its time.
#pragma once

#include <optional>

#include "agent/promql/run/host.h"
#include "agent/promql/run/run.h"

namespace ringside::agent {

// Whether a job may go on, maybe after it has waited for its turn. kTimeout, or kUnavailable: its client has hung up, or others
// take long already.
Result<void> go_on(FairPool::Turn& turn, FairPool::Time deadline);

// Of the turn's thread.
class QueryTurn {
  public:
    // All of them outlive it.
    QueryTurn(QueryHost& host, const Caller& caller, const Query& query, FairPool::Turn& turn, FairPool::Time deadline);
    // From there on it is known what the query takes.
    ~QueryTurn();
    QueryTurn(const QueryTurn&) = delete;
    QueryTurn& operator=(const QueryTurn&) = delete;

    // As above. To be asked often.
    Result<void> go_on() {
        auto may = agent::go_on(turn_, deadline_);
        is_whole_ = is_whole_ && may;
        return may;
    }

    // As run_query(); also kUnavailable: the client has hung up, or others have the samples or the turns that it would need.
    Result<QueryAnswer> run(const promql::Expr& expr, QuerySession& session);

  private:
    QueryHost& host_;
    const Caller caller_;
    const Query& query_;
    FairPool::Turn& turn_;
    const FairPool::Time deadline_;
    const SampleBudget::Share share_;
    const std::optional<QueryCosts::Cost> known_;
    bool waits_ = false;     // for a disk
    bool is_whole_ = false;  // it was not ended by what others do
};

}  // namespace ringside::agent
