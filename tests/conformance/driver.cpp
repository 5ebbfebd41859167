// The conformance driver in C++: performs an operation file through <ringside/ringside.hpp>. README.md says what a driver
// has to do.
#include <functional>
#include <map>
#include <ringside/ringside.hpp>
#include <variant>
#include <vector>

#include "tests/conformance/operations.h"

namespace ringside::conformance {
namespace {

using Handle = std::variant<Counter, SharedCounter, CounterF64, Gauge, Level, Histogram>;

class Driver {
  public:
    explicit Driver(Segment segment) : segment_(std::move(segment)) {}

    void perform(const Operation& operation) {
        auto found = actions().find(operation.name);
        if (found == actions().end()) refuse(operation.place, "unknown operation '" + operation.name + "'");
        found->second(*this, operation);
    }

  private:
    using Action = std::function<void(Driver&, const Operation&)>;

    // A handle of one of the kinds that `Kinds` lists. What is not there by that name, or of another kind, is a slip in
    // the file: a registration that was refused leaves an empty handle of its kind.
    template <typename... Kinds, typename Use>
    void with_handle(const Operation& operation, Use use) {
        operation.expect_words(2, 2);
        auto at = handles_.find(operation.word(0));
        bool fits = at != handles_.end() && (std::holds_alternative<Kinds>(at->second) || ...);
        if (!fits) refuse(operation.place, operation.name + ": no handle '" + operation.word(0) + "' of a kind for it");
        (void)((std::holds_alternative<Kinds>(at->second) && (use(std::get<Kinds>(at->second)), true)) || ...);
    }

    // The label values of a registration: the words from `begin` on.
    static std::vector<const char*> values_of(const Operation& operation, std::size_t begin) {
        std::vector<const char*> values;
        for (std::size_t i = begin; i < operation.words.size(); ++i) values.push_back(operation.word(i).c_str());
        return values;
    }

    template <typename Kind>
    static Action registering(Kind (Segment::*register_series)(const char*, const char* const*, std::size_t)) {
        return [register_series](Driver& self, const Operation& operation) {
            operation.expect_words(2, 5);
            const auto values = values_of(operation, 2);
            Kind handle = (self.segment_.*register_series)(operation.word(1).c_str(), values.data(), values.size());
            if (!self.handles_.emplace(operation.word(0), handle).second) {
                refuse(operation.place, "handle '" + operation.word(0) + "' is there already");
            }
        };
    }

    static const std::map<std::string, Action>& actions() {
        using Self = Driver;
        using Op = Operation;
        static const std::map<std::string, Action> all = {
            {"schema", [](Self&, const Op& op) { op.expect_words(1, 1); }},  // the runner's: it provisioned with it
            {"clock",
             [](Self&, const Op& op) {
                 if (op.text(0) != "tick") refuse(op.place, "clock: '" + op.text(0) + "' is not 'tick'");
             }},
            {"tick",
             [](Self& self, const Op& op) {
                 op.expect_words(1, 1);
                 self.segment_.tick(op.whole(0));
             }},
            {"counter", registering(&Segment::counter)},
            {"shared_counter", registering(&Segment::shared_counter)},
            {"counter_f64", registering(&Segment::counter_f64)},
            {"gauge", registering(&Segment::gauge)},
            {"level", registering(&Segment::level)},
            {"histogram", registering(&Segment::histogram)},
            {"info",
             [](Self& self, const Op& op) {
                 op.expect_words(1, 4);
                 const auto values = values_of(op, 1);
                 self.segment_.info(op.word(0).c_str(), values.data(), values.size());
             }},
            {"add",
             [](Self& self, const Op& op) {
                 self.with_handle<Counter, SharedCounter>(op, [&](const auto& to) { to.add(op.whole(1)); });
             }},
            {"add_f64",
             [](Self& self, const Op& op) {
                 self.with_handle<CounterF64>(op, [&](const auto& to) { to.add(op.real(1)); });
             }},
            {"total",
             [](Self& self, const Op& op) {
                 self.with_handle<Counter>(op, [&](const auto& to) { to.total(op.whole(1)); });
             }},
            {"total_f64",
             [](Self& self, const Op& op) {
                 self.with_handle<CounterF64>(op, [&](const auto& to) { to.total(op.real(1)); });
             }},
            {"baseline",
             [](Self& self, const Op& op) {
                 self.with_handle<Counter>(op, [&](const auto& to) { to.baseline(op.whole(1)); });
             }},
            {"baseline_f64",
             [](Self& self, const Op& op) {
                 self.with_handle<CounterF64>(op, [&](const auto& to) { to.baseline(op.real(1)); });
             }},
            {"record",
             [](Self& self, const Op& op) {
                 self.with_handle<Gauge, Histogram>(op, [&](const auto& to) { to.record(op.real(1)); });
             }},
            {"set", [](Self& self,
                       const Op& op) { self.with_handle<Level>(op, [&](const auto& to) { to.set(op.real(1)); }); }},
            {"close",
             [](Self& self, const Op& op) {
                 op.expect_words(1, op.words.size());
                 self.segment_.close(op.code(0), op.text(1).c_str());
             }},
        };
        return all;
    }

    Segment segment_;
    std::map<std::string, Handle> handles_;
};

}  // namespace
}  // namespace ringside::conformance

int main(int argc, char** argv) {
    using namespace ringside::conformance;
    if (argc != 3) refuse(argv[0], "usage: SEGMENT_PATH OPERATIONS_FILE");
    std::vector<Operation> operations = read_operations(argv[2]);
    auto segment = ringside::Segment::attach(argv[1], nullptr, RSIDE_CLOCK_TICK, 0);
    if (!segment) refuse(argv[1], segment.error().text);
    Driver driver(std::move(segment));
    for (const Operation& operation : operations) driver.perform(operation);
    return 0;
}
