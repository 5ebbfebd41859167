#include "tools/ringsidectl/output_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace ringside::ctl {
namespace {

// Ordered: fields come out in the order of the columns, as in CSV.
using Json = nlohmann::ordered_json;

Json to_json(const Value& value) {
    struct Visitor {
        Json operator()(std::monostate) const { return nullptr; }
        Json operator()(const std::string& text) const { return text; }
        Json operator()(std::int64_t number) const { return number; }
        Json operator()(std::uint64_t number) const { return number; }
        // JSON has no infinities and no NaN; `1e999` would read back as an error or as one, depending
        // on the reader.
        Json operator()(double number) const { return std::isfinite(number) ? Json(number) : Json(nullptr); }
        Json operator()(bool truth) const { return truth; }
        Json operator()(const Labels& labels) const {
            Json object = Json::object();
            for (const auto& [name, text] : labels) object[name] = text;
            return object;
        }
        Json operator()(const Texts& texts) const { return Json(texts); }
        Json operator()(const Counts& counts) const { return Json(counts); }
    };
    return std::visit(Visitor{}, value);
}

void add_fields(Json& object, const std::vector<Column>& columns, const std::vector<Value>& row) {
    for (std::size_t i = 0; i < columns.size(); ++i) object[columns[i].name] = to_json(row[i]);
}

// Texts that a VM chose may not be UTF-8: U+FFFD stands for each bad byte, and dump() does not
// throw.
std::string dumped(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string json_text(const Document& document) {
    Json json = {{"version", kJsonVersion}, {"kind", document.kind}};
    for (const Section& section : document.sections) {
        if (section.single) {
            Json object = Json::object();
            if (!section.rows.empty()) add_fields(object, section.columns, section.rows[0]);
            json[section.name] = std::move(object);
            continue;
        }
        Json list = Json::array();
        for (const auto& row : section.rows) add_fields(list.emplace_back(Json::object()), section.columns, row);
        json[section.name] = std::move(list);
    }
    return dumped(json, 2);
}

std::string json_line(const std::string& kind, const std::vector<Column>& columns, const std::vector<Value>& row) {
    Json json = {{"version", kJsonVersion}, {"kind", kind}};
    add_fields(json, columns, row);
    return dumped(json, -1);
}

}  // namespace ringside::ctl
