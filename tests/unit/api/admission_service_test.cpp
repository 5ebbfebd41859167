#include <gtest/gtest.h>

#include "tests/support/api_fixture.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

Budgets small_budgets() {
    Budgets budgets;
    budgets.vm_bytes = 4 * kMiB;
    budgets.vm_series = 100;
    budgets.vm_label_bytes = 1000;
    budgets.host_bytes = 6 * kMiB;
    budgets.host_series = 150;
    budgets.host_label_bytes = 1500;
    budgets.host_segments = 3;
    return budgets;
}

v1::AdmitRequest request_for(const std::string& vm_id, std::uint32_t uid, std::uint64_t bytes, std::uint64_t series = 1,
                             std::uint64_t label_bytes = 1) {
    v1::AdmitRequest request;
    request.set_vm_id(vm_id);
    request.set_uid(uid);
    request.mutable_demand()->set_segment_bytes(bytes);
    request.mutable_demand()->set_series(series);
    request.mutable_demand()->set_label_bytes(label_bytes);
    return request;
}

struct AdmissionServiceTest : testing::Test {
    ApiFixture fixture{4096, small_budgets()};
    ApiClient client = fixture.connect();
    v1::AdmitResponse response;
};

TEST_F(AdmissionServiceTest, AdmitsWhatFitsAndListsIt) {
    const grpc::Status status = client.admit(request_for("vm-1", 1001, kMiB, 10, 100), &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.admission().vm_id(), "vm-1");
    EXPECT_EQ(response.admission().uid(), 1001u);
    EXPECT_EQ(response.admission().demand().series(), 10u);
    EXPECT_EQ(response.admission().admitted_ns(), kTestNowNs);
    EXPECT_GT(response.admission().expires_ns(), kTestNowNs);
    EXPECT_FALSE(response.admission().present());
    const auto all = client.admissions();
    ASSERT_EQ(all.admissions_size(), 1);
    EXPECT_EQ(all.admissions(0).SerializeAsString(), response.admission().SerializeAsString());
}

TEST_F(AdmissionServiceTest, KeepsNothingOfADryRun) {
    v1::AdmitRequest request = request_for("vm-1", 1001, kMiB);
    request.set_dry_run(true);
    ASSERT_TRUE(client.admit(request, &response).ok());
    EXPECT_EQ(response.admission().vm_id(), "vm-1");
    EXPECT_EQ(client.admissions().admissions_size(), 0);
}

TEST_F(AdmissionServiceTest, RefusesOverEachBudgetWithReasonAndFigures) {
    ASSERT_TRUE(client.admit(request_for("first", 1, 3 * kMiB, 90, 900), &response).ok());
    const struct {
        v1::AdmitRequest request;
        v1::ErrorReason reason;
        std::uint64_t limit, used, asked;
    } cases[] = {
        {request_for("vm", 1, 5 * kMiB), v1::ERROR_REASON_VM_BYTES, 4 * kMiB, 0, 5 * kMiB},
        {request_for("vm", 1, 1, 101), v1::ERROR_REASON_VM_SERIES, 100, 0, 101},
        {request_for("vm", 1, 1, 1, 1001), v1::ERROR_REASON_VM_LABEL_BYTES, 1000, 0, 1001},
        {request_for("vm", 1, 4 * kMiB), v1::ERROR_REASON_HOST_BYTES, 6 * kMiB, 3 * kMiB, 4 * kMiB},
        {request_for("vm", 1, 1, 61), v1::ERROR_REASON_HOST_SERIES, 150, 90, 61},
        {request_for("vm", 1, 1, 1, 601), v1::ERROR_REASON_HOST_LABEL_BYTES, 1500, 900, 601},
    };
    for (const auto& one : cases) {
        const grpc::Status status = client.admit(one.request, &response);
        const v1::ErrorInfo info = info_of(status);
        EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
        EXPECT_EQ(info.reason(), one.reason) << status.error_message();
        EXPECT_EQ(info.limit(), one.limit);
        EXPECT_EQ(info.used(), one.used);
        EXPECT_EQ(info.asked(), one.asked);
    }
    ASSERT_TRUE(client.admit(request_for("second", 1, 1), &response).ok());
    ASSERT_TRUE(client.admit(request_for("third", 1, 1), &response).ok());
    EXPECT_EQ(info_of(client.admit(request_for("fourth", 1, 1), &response)).reason(), v1::ERROR_REASON_HOST_SEGMENTS);
    EXPECT_EQ(client.admissions().admissions_size(), 3);  // Nothing is left of what was refused.
}

TEST_F(AdmissionServiceTest, RefusesAVmThatIsBoundToAnotherUid) {
    ASSERT_TRUE(client.admit(request_for("vm-1", 1001, 1), &response).ok());
    const grpc::Status status = client.admit(request_for("vm-1", 1002, 1), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_BOUND_TO_OTHER_UID);
    EXPECT_TRUE(client.admit(request_for("vm-1", 1001, 2), &response).ok());
}

TEST_F(AdmissionServiceTest, QuarantinesASegmentOfTheWrongUid) {
    ASSERT_TRUE(client.admit(request_for("vm-1", 1001, 2 * kMiB, 100, 1000), &response).ok());
    fixture.backend.add({.vm_id = "vm-1", .uid = 1002});
    const auto status = client.get_status();
    ASSERT_EQ(status.quarantined_size(), 1);
    EXPECT_EQ(status.quarantined(0).reason(), "wrong-owner");
}

TEST_F(AdmissionServiceTest, RefusesRequestsThatCannotBe) {
    v1::AdmitRequest request = request_for("vm/1", 1, 1);
    EXPECT_EQ(client.admit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request = request_for("vm-1", 1, 1);
    request.clear_uid();
    EXPECT_EQ(client.admit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.set_uid(UINT32_MAX);
    EXPECT_EQ(client.admit(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(client.admit(request_for("vm-1", 1, 0), &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(fixture.backend.calls, 0u);
}

TEST_F(AdmissionServiceTest, WaitsForTheFirstScan) {
    fixture.backend.is_ready = false;
    const grpc::Status status = client.admit(request_for("vm-1", 1, 1), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STARTING);
    EXPECT_FALSE(client.get_status().ready());
}

TEST_F(AdmissionServiceTest, GivesAnAdmissionBack) {
    ASSERT_TRUE(client.admit(request_for("vm-1", 1001, kMiB), &response).ok());
    v1::ReleaseResponse released;
    ASSERT_TRUE(client.release("vm-1", &released).ok());
    EXPECT_EQ(released.admission().uid(), 1001u);
    EXPECT_EQ(client.admissions().admissions_size(), 0);
    ASSERT_TRUE(client.admit(request_for("vm-2", 1001, kMiB), &response).ok());
    const grpc::Status status = client.release("vm-1", &released);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(status.error_message(), "VM 'vm-1' has no admission; did you mean vm-2?");
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_NO_SUCH_ADMISSION);
    EXPECT_EQ(client.release("", &released).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(StatusService, TellsAnOperatorEverything) {
    ApiFixture fixture(4096, small_budgets());
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .epoch = 1});
    fixture.backend.add({.vm_id = "vm-2", .uid = 1, .epoch = 2, .state = VmState::kDrained});
    fixture.backend.quarantine("bad.seg", 7);
    const ApiClient client = fixture.connect();
    v1::AdmitResponse admitted;
    ASSERT_TRUE(client.admit(request_for("vm-3", 1, kMiB, 5), &admitted).ok());
    const auto status = client.get_status();
    EXPECT_EQ(status.version(), "1.2.3");
    EXPECT_EQ(status.uptime_ns(), 60'000'000'000u);
    EXPECT_EQ(status.directory(), "/dev/shm/test");
    EXPECT_TRUE(status.ready());
    EXPECT_EQ(status.pid(), static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(status.caller().uid(), geteuid());
    EXPECT_TRUE(status.caller().is_operator());
    ASSERT_EQ(status.vms_by_state_size(), 4);
    const std::uint64_t counts[] = {0, 1, 0, 1};
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(status.vms_by_state(i).state(), i + 1);
        EXPECT_EQ(status.vms_by_state(i).count(), counts[i]);
    }
    ASSERT_EQ(status.quarantined_size(), 1);
    EXPECT_EQ(status.quarantined_count(), 1u);
    EXPECT_EQ(status.quarantined(0).file(), "bad.seg");
    EXPECT_EQ(status.quarantined(0).uid(), 7u);
    EXPECT_EQ(status.quarantined(0).file_bytes(), 4096u);
    ASSERT_EQ(status.budgets_size(), 7);
    std::map<std::string, v1::Budget> budgets;
    for (const v1::Budget& budget : status.budgets()) budgets[budget.name()] = budget;
    EXPECT_EQ(budgets.at("vm-label-bytes").unit(), "bytes");
    EXPECT_FALSE(budgets.at("vm-bytes").has_used());
    EXPECT_EQ(budgets.at("host-bytes").limit(), 6 * kMiB);
    EXPECT_EQ(budgets.at("host-bytes").used(), kMiB);
    EXPECT_EQ(budgets.at("host-bytes").reserved(), kMiB);
    EXPECT_EQ(budgets.at("host-segments").unit(), "segments");
    EXPECT_EQ(status.archive().bytes(), 777u);
    EXPECT_FALSE(status.archive().has_oldest_ns());
    ASSERT_EQ(status.upstreams_size(), 1);
    EXPECT_EQ(status.upstreams(0).dropped_samples(), 3u);
    EXPECT_EQ(status.upstreams(0).losses(1).reason(), "too_old");
    EXPECT_EQ(status.upstreams(0).last_error(), "connection refused");
    EXPECT_FALSE(status.upstreams(0).has_last_success_ns());
    EXPECT_EQ(status.last_scan_ns(), kTestNowNs - 1'000'000'000);
}

TEST(StatusService, ListsAThousandQuarantinedFilesAndCountsTheRest) {
    ApiFixture fixture;
    for (int i = 0; i < 1200; ++i) fixture.backend.quarantine("bad-" + std::to_string(i) + ".seg", 7);
    const auto status = fixture.connect().get_status();
    EXPECT_EQ(status.quarantined_size(), 1000);
    EXPECT_EQ(status.quarantined_count(), 1200u);
    EXPECT_LT(status.ByteSizeLong(), 1u << 20);
}

}  // namespace
}  // namespace ringside::agent
