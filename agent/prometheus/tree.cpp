#include "agent/prometheus/tree.h"

#include <optional>
#include <string_view>

#include "agent/promql/run/json.h"
#include "agent/promql/value/number.h"

namespace ringside::agent {
namespace {

using namespace promql;

// Writes one object, member by member.
class Object {
  public:
    Object(std::string& out, const char* type) : out_(out) {
        out_ += "{\"type\":\"";
        out_ += type;
        out_ += '"';
    }
    ~Object() { out_ += '}'; }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    std::string& member(const char* name) {
        out_ += ",\"";
        out_ += name;
        out_ += "\":";
        return out_;
    }
    void text(const char* name, std::string_view value) { append_json(member(name), value); }
    void flag(const char* name, bool value) { member(name) += value ? "true" : "false"; }
    void number(const char* name, std::int64_t value) { member(name) += std::to_string(value); }
    void tree(const char* name, const ExprPtr& expr) {
        if (expr) {
            append_json_tree(member(name), *expr);
        } else {
            member(name) += "null";
        }
    }
    void texts(const char* name, const std::vector<std::string>& values) { append_texts(member(name), values); }
    static void append_texts(std::string& out, const std::vector<std::string>& values) {
        out += '[';
        for (const std::string& value : values) {
            if (&value != &values.front()) out += ',';
            append_json(out, std::string_view(value));
        }
        out += ']';
    }

  private:
    std::string& out_;
};

void append_at(Object& object, const AtModifier& at) {
    if (at.kind == AtModifier::Kind::kTime) {
        object.number("timestamp", at.time_ms);
    } else {
        object.member("timestamp") += "null";
    }
    if (at.kind == AtModifier::Kind::kStart || at.kind == AtModifier::Kind::kEnd) {
        object.text("startOrEnd", at.kind == AtModifier::Kind::kStart ? "start" : "end");
    } else {
        object.member("startOrEnd") += "null";
    }
}

void append_selector(Object& object, const VectorSelector& selector) {
    object.text("name", selector.name);
    object.number("offset", selector.offset.ms);
    std::string& out = object.member("matchers");
    out += '[';
    for (const Matcher& matcher : selector.matchers) {
        if (&matcher != &selector.matchers.front()) out += ',';
        out += "{\"name\":";
        append_json(out, std::string_view(matcher.label()));
        out += ",\"value\":";
        append_json(out, std::string_view(matcher.value()));
        out += ",\"type\":";
        append_json(out, std::string_view(match_op_text(matcher.op())));
        out += '}';
    }
    out += ']';
    append_at(object, selector.at);
    object.flag("anchored", selector.anchored);
    object.flag("smoothed", selector.smoothed);
}

const char* cardinality_text(Cardinality cardinality) {
    switch (cardinality) {
        case Cardinality::kOneToOne: return "one-to-one";
        case Cardinality::kManyToOne: return "many-to-one";
        case Cardinality::kOneToMany: return "one-to-many";
        case Cardinality::kManyToMany: return "many-to-many";
    }
    return "";
}

void append_fill(std::string& out, const char* side, const std::optional<double>& fill) {
    out += std::string("\"") + side + "\":" + (fill ? short_number(*fill) : "null");
}

void append_matching(std::string& out, const std::optional<VectorMatching>& matching) {
    if (!matching) {
        out += "null";
        return;
    }
    out += std::string("{\"card\":\"") + cardinality_text(matching->cardinality) + "\",\"labels\":";
    Object::append_texts(out, matching->labels);
    out += matching->on ? ",\"on\":true,\"include\":" : ",\"on\":false,\"include\":";
    Object::append_texts(out, matching->include);
    out += ",\"fillValues\":{";
    append_fill(out, "lhs", matching->fill_left);
    out += ',';
    append_fill(out, "rhs", matching->fill_right);
    out += "}}";
}

void append_function(std::string& out, const Function& function) {
    const auto type_name = [](ValueType type) {
        switch (type) {
            case ValueType::kVector: return "vector";
            case ValueType::kMatrix: return "matrix";
            default: return value_type_text(type);
        }
    };
    out += "{\"name\":\"" + std::string(function.name) + "\",\"argTypes\":[";
    const char* before = "\"";
    for (const ValueType type : function.arguments) {
        out += before + std::string(type_name(type)) + "\"";
        before = ",\"";
    }
    out += "],\"variadic\":" + std::to_string(function.variadic) + ",\"returnType\":\"" + type_name(function.returns) +
           "\"}";
}

void append(std::string& out, const NumberLiteral& literal) {
    Object(out, "numberLiteral").text("val", short_number(literal.value));
}
void append(std::string& out, const StringLiteral& literal) { Object(out, "stringLiteral").text("val", literal.value); }
void append(std::string& out, const VectorSelector& selector) {
    Object object(out, "vectorSelector");
    append_selector(object, selector);
}
void append(std::string& out, const MatrixSelector& matrix) {
    Object object(out, "matrixSelector");
    object.number("range", matrix.range.ms);
    append_selector(object, matrix.selector);
}
void append(std::string& out, const Subquery& subquery) {
    Object object(out, "subquery");
    object.tree("expr", subquery.expr);
    object.number("range", subquery.range.ms);
    object.number("offset", subquery.offset.ms);
    object.number("step", subquery.step.ms);
    append_at(object, subquery.at);
}
void append(std::string& out, const Unary& unary) {
    Object object(out, "unaryExpr");
    object.text("op", unary.minus ? "-" : "+");
    object.tree("expr", unary.expr);
}
void append(std::string& out, const Binary& binary) {
    Object object(out, "binaryExpr");
    object.text("op", binary_op_text(binary.op));
    object.tree("lhs", binary.left);
    object.tree("rhs", binary.right);
    append_matching(object.member("matching"), binary.matching);
    object.flag("bool", binary.return_bool);
}
void append(std::string& out, const Aggregate& aggregate) {
    Object object(out, "aggregation");
    object.text("op", aggregate_op_text(aggregate.op));
    object.tree("expr", aggregate.expr);
    object.tree("param", aggregate.parameter);
    object.texts("grouping", aggregate.grouping);
    object.flag("without", aggregate.without);
}
void append(std::string& out, const Call& call) {
    Object object(out, "call");
    append_function(object.member("func"), *call.function);
    object.member("args") += '[';
    for (const ExprPtr& argument : call.arguments) {
        if (&argument != &call.arguments.front()) out += ',';
        append_json_tree(out, *argument);
    }
    out += ']';
}
void append(std::string& out, const Paren& paren) { Object(out, "parenExpr").tree("expr", paren.expr); }

}  // namespace

void append_json_tree(std::string& out, const Expr& expr) {
    std::visit([&](const auto& node) { append(out, node); }, expr.node);
}

}  // namespace ringside::agent
