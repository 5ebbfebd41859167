#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {

const std::string& GridCall::text(std::size_t i) const {
    static const std::string none;
    const auto* literal = without_parens(argument(i)).as<StringLiteral>();
    return literal ? literal->value : none;  // The parser lets nothing else through where a string is due.
}

const FunctionBody* function_body(const Function& function) {
    static const std::vector<const FunctionBody*> bodies = [] {
        std::vector<const FunctionBody*> table(functions().size());
        for (std::span<const FunctionBody> family :
             {rate_functions(), change_functions(), over_time_functions(), trend_functions(), histogram_functions(),
              vector_functions(), math_functions(), date_functions(), label_functions(), info_functions()}) {
            for (const FunctionBody& body : family) {
                if (const Function* known = find_function(body.name)) table[function_index(*known)] = &body;
            }
        }
        return table;
    }();
    return bodies[function_index(function)];
}

}  // namespace ringside::agent::promql
