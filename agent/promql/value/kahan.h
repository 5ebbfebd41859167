// Sums that keep what rounding would lose (Neumaier's variant of Kahan's).
#pragma once

#include <cmath>

namespace ringside::agent::promql {

// `carry` is what rounding has taken from `sum` so far; the best value is sum + carry.
struct KahanSum {
    double sum = 0;
    double carry = 0;

    void add(double value) {
        double next = sum + value;
        // An infinite sum has nothing to carry: inf - inf would make it NaN.
        if (std::isinf(next)) {
            carry = 0;
        } else if (std::fabs(sum) >= std::fabs(value)) {
            carry += (sum - next) + value;
        } else {
            carry += (value - next) + sum;
        }
        sum = next;
    }

    double value() const { return sum + carry; }
};

// The mean of values one by one. As long as their sum does not overflow it is the sum divided by the count, which is
// the more exact way; after that, the running mean is corrected value by value.
class KahanMean {
  public:
    void add(double value) {
        ++count_;
        if (count_ == 1) {
            sum_.sum = value;
            return;
        }
        if (!incremental_) {
            KahanSum next = sum_;
            next.add(value);
            if (!std::isinf(next.sum)) {
                sum_ = next;
                return;
            }
            incremental_ = true;
            sum_.sum /= count_ - 1;
            sum_.carry /= count_ - 1;
        }
        double share = (count_ - 1) / count_;
        sum_.sum *= share;
        sum_.carry *= share;
        sum_.add(value / count_);
    }

    double value() const { return incremental_ ? sum_.value() : sum_.sum / count_ + sum_.carry / count_; }

  private:
    KahanSum sum_;  // of the values, or their mean once incremental
    double count_ = 0;
    bool incremental_ = false;
};

}  // namespace ringside::agent::promql
