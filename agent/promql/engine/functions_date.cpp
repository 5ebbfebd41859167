// The calendar (UTC) of values that are seconds since 1970.
#include <chrono>
#include <cmath>

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

using Scalars = std::span<const double>;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

struct Date {
    sys_days day;
    std::chrono::year_month_day ymd;
    seconds of_day;
};

Date date_of(double value) {
    // Years that the calendar of <chrono> can tell; everything else, NaN too, is moved to their end.
    constexpr double kFirst = -1e12, kLast = 1e12;
    double clamped = std::isnan(value) ? kFirst : std::fmin(std::fmax(value, kFirst), kLast);
    sys_seconds time{seconds(static_cast<std::int64_t>(clamped))};
    sys_days day = floor<std::chrono::days>(time);
    return {day, std::chrono::year_month_day(day), time - day};
}

double year(double value, Scalars) { return static_cast<int>(date_of(value).ymd.year()); }
double month(double value, Scalars) { return static_cast<unsigned>(date_of(value).ymd.month()); }
double day_of_month(double value, Scalars) { return static_cast<unsigned>(date_of(value).ymd.day()); }
double day_of_week(double value, Scalars) { return std::chrono::weekday(date_of(value).day).c_encoding(); }

double day_of_year(double value, Scalars) {
    Date date = date_of(value);
    sys_days first = date.ymd.year() / std::chrono::January / 1;
    return static_cast<double>((date.day - first).count() + 1);
}

double days_in_month(double value, Scalars) {
    Date date = date_of(value);
    return static_cast<unsigned>((date.ymd.year() / date.ymd.month() / std::chrono::last).day());
}

double hour(double value, Scalars) { return static_cast<double>(date_of(value).of_day.count() / 3600); }
double minute(double value, Scalars) { return static_cast<double>(date_of(value).of_day.count() / 60 % 60); }

constexpr FunctionBody kFunctions[] = {
    {"day_of_month", FloatFunction(&day_of_month)},
    {"day_of_week", FloatFunction(&day_of_week)},
    {"day_of_year", FloatFunction(&day_of_year)},
    {"days_in_month", FloatFunction(&days_in_month)},
    {"hour", FloatFunction(&hour)},
    {"minute", FloatFunction(&minute)},
    {"month", FloatFunction(&month)},
    {"year", FloatFunction(&year)},
};

}  // namespace

std::span<const FunctionBody> date_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
