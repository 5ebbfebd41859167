#include "agent/base/model.h"

#include <cstring>

namespace ringside::agent {

const char* kind_name(Kind kind) {
    switch (kind) {
        case Kind::kCounter: return "counter";
        case Kind::kCounterF64: return "counter_f64";
        case Kind::kGauge: return "gauge";
        case Kind::kLevel: return "level";
        case Kind::kHistogram: return "histogram";
        case Kind::kInfo: return "info";
    }
    return "unknown";
}

const char* vm_state_name(VmState state) {
    switch (state) {
        case VmState::kProvisioned: return "provisioned";
        case VmState::kRunning: return "running";
        case VmState::kExited: return "exited";
        case VmState::kDrained: return "drained";
    }
    return "unknown";
}

const char* exit_cause_name(ExitCause cause) {
    switch (cause) {
        case ExitCause::kNone: return "-";
        case ExitCause::kClosed: return "closed";
        case ExitCause::kKilled: return "killed";
        case ExitCause::kHostRebooted: return "host-rebooted";
        case ExitCause::kUnknown: return "unknown";
        case ExitCause::kOom: return "oom";
        case ExitCause::kExited: return "exited";
    }
    return "unknown";
}

std::string exit_text(const VmInfo& vm) {
    std::string text = exit_cause_name(vm.exit_cause);
    if (has_close_code(vm.exit_cause)) text += " with code " + std::to_string(vm.close_code);
    if (vm.exit_cause == ExitCause::kClosed && !vm.close_text.empty()) text += " (" + vm.close_text + ")";
    if (vm.exit_signal != 0) {
        const char* name = ::sigabbrev_np(vm.exit_signal);
        text += " by " + (name ? std::string("SIG") + name : "signal " + std::to_string(vm.exit_signal));
    }
    return text;
}

std::string epoch_text(const Epoch& epoch) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(epoch.size() * 2);
    for (std::uint8_t byte : epoch) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

namespace {

int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

}  // namespace

Result<Epoch> parse_epoch(const std::string& text) {
    Epoch epoch{};
    if (text.size() != epoch.size() * 2) {
        return error(Code::kInvalid, "an epoch has 32 hex digits, this one has " + std::to_string(text.size()));
    }
    for (std::size_t i = 0; i < epoch.size(); ++i) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return error(Code::kInvalid, "an epoch has lower-case hex digits only");
        epoch[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return epoch;
}

std::string vm_key(const VmInfo& vm) {
    std::string key = vm.vm_id + "." + epoch_text(vm.epoch);
    if (!vm.component.empty()) key += "." + vm.component;
    return key;
}

std::unique_ptr<SeriesScan> SeriesSource::scan() const {
    class OneByOne : public SeriesScan {
      public:
        explicit OneByOne(const SeriesSource& source) : source_(source) {}
        Result<void> read(std::uint32_t series_index, const ReadRequest& request, SeriesData* data) override {
            Result<SeriesData> read = source_.read(series_index, request);
            if (!read.ok()) return read.error();
            *data = std::move(*read);
            return {};
        }

      private:
        const SeriesSource& source_;
    };
    return std::make_unique<OneByOne>(*this);
}

}  // namespace ringside::agent
