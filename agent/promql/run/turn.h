// One query's use of its host: its turn on the pool, its share of the samples, its time.
#pragma once

#include <string>

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
    QueryTurn(QueryHost& host, const Caller& caller, const std::string& text, FairPool::Turn& turn,
              FairPool::Time deadline);
    // From there on it is known what the query has used.
    ~QueryTurn();
    QueryTurn(const QueryTurn&) = delete;
    QueryTurn& operator=(const QueryTurn&) = delete;

    // As above. To be asked often.
    Result<void> go_on() { return agent::go_on(turn_, deadline_); }

    // As run_query(); also kUnavailable: the client has hung up, or others have the samples or the turns that it would need.
    Result<QueryAnswer> run(const Query& query, const promql::Expr& expr, QuerySession& session);

  private:
    QueryHost& host_;
    const std::string& text_;
    FairPool::Turn& turn_;
    const FairPool::Time deadline_;
    const SampleBudget::Share share_;
};

}  // namespace ringside::agent
