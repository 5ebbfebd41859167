#include "tools/ringsidectl/query_json.h"

#include <string_view>
#include <vector>

#include "agent/promql/run/json.h"

namespace ringside::ctl {
namespace {

// Like there, not at all when there are none.
void append_texts(std::string& out, const char* name, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    const char* before = ":[";
    out += std::string(",\"") + name + "\"";
    for (const std::string& text : texts) {
        out += before;
        agent::append_json(out, std::string_view(text));
        before = ",";
    }
    out += ']';
}

}  // namespace

std::string answer_json(const AskedAnswer& asked, bool explain, std::uint64_t dropped) {
    const agent::Query& query = asked.query;
    std::string out = "{\"version\":" + std::to_string(kJsonVersion) + R"(,"kind":"query","status":"success","data":)";
    const auto always = [](std::size_t) { return agent::Result<void>(); };
    // It fails for nothing but lack of room.
    static_cast<void>(agent::append_json(out, asked.answer, query.newest_ms(), explain, always));
    append_texts(out, "warnings", asked.answer.warnings);
    append_texts(out, "infos", asked.answer.infos);
    if (dropped > 0) out += ",\"dropped\":" + std::to_string(dropped);
    return out + "}\n";
}

}  // namespace ringside::ctl
