#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "agent/api/vm_filter.h"
#include "tests/support/api_fixture.h"

namespace ringside::agent {
namespace {

// "vm_id/component/first digits of the epoch", in the order of the answer.
std::string names(const Streamed<v1::ListVmsResponse>& listed) {
    std::string text;
    for (const auto& message : listed.messages) {
        for (const v1::Vm& vm : message.vms()) {
            text += (text.empty() ? "" : " ") + vm.ref().vm_id() + "/" + vm.ref().component() + "/" +
                    vm.ref().epoch().substr(0, 2);
        }
    }
    return text;
}

struct VmServiceTest : testing::Test {
    VmServiceTest() {
        fixture.backend.add({.vm_id = "web-1", .uid = 1001, .epoch = 0x11, .state = VmState::kDrained});
        fixture.backend.add({.vm_id = "web-1", .uid = 1001, .epoch = 0x22});
        fixture.backend.add({.vm_id = "web-1", .uid = 1001, .component = "net", .epoch = 0x23});
        exited = fixture.backend.add({.vm_id = "web-2", .uid = 1002, .epoch = 0x33});
        fixture.backend.exit(exited, ExitCause::kClosed, 3, "guest shut down");
        fixture.backend.add({.vm_id = "db", .uid = 1003, .epoch = 0x44, .state = VmState::kProvisioned});
    }

    std::string listed(const v1::VmFilter& filter) {
        v1::ListVmsRequest request;
        *request.mutable_filter() = filter;
        const auto answer = client.list_vms(request);
        return answer.status.ok() ? names(answer) : answer.status.error_message();
    }

    ApiFixture fixture;
    std::string exited;
    ApiClient client = fixture.connect();
};

TEST_F(VmServiceTest, ListsAllVmsInOrder) {
    EXPECT_EQ(listed({}), "db//44 web-1//11 web-1//22 web-1/net/23 web-2//33");
}

TEST_F(VmServiceTest, ListsVmsByEachFilterAndAllTogether) {
    v1::VmFilter by_id;
    by_id.add_vm_ids("db");
    by_id.add_vm_ids("web-2");
    by_id.add_vm_ids("nobody");  // In a list it is not an error.
    EXPECT_EQ(listed(by_id), "db//44 web-2//33");
    v1::VmFilter by_component;
    by_component.set_component("net");
    EXPECT_EQ(listed(by_component), "web-1/net/23");
    by_component.set_component("");
    EXPECT_EQ(listed(by_component), "db//44 web-1//11 web-1//22 web-2//33");
    v1::VmFilter by_state;
    by_state.add_states(v1::VM_STATE_DRAINED);
    by_state.add_states(v1::VM_STATE_EXITED);
    EXPECT_EQ(listed(by_state), "web-1//11 web-2//33");
    v1::VmFilter by_epoch;
    by_epoch.set_epoch("22");
    EXPECT_EQ(listed(by_epoch), "web-1//22");
    by_state.set_epoch("11");
    by_state.add_vm_ids("web-1");
    by_state.set_component("");
    EXPECT_EQ(listed(by_state), "web-1//11");
}

TEST_F(VmServiceTest, RefusesFiltersThatCannotBe) {
    v1::VmFilter filter;
    filter.add_vm_ids("../etc/passwd");
    EXPECT_NE(listed(filter).find("a vm_id has 1 to 63"), std::string::npos);
    filter.Clear();
    filter.set_component("Net!");
    EXPECT_NE(listed(filter).find("a component has"), std::string::npos);
    filter.Clear();
    filter.set_epoch("XYZ");
    EXPECT_NE(listed(filter).find("an epoch has 32"), std::string::npos);
    filter.set_epoch(std::string(33, 'a'));
    EXPECT_NE(listed(filter).find("an epoch has 32"), std::string::npos);
    filter.Clear();
    filter.add_states(v1::VM_STATE_UNSPECIFIED);
    EXPECT_NE(listed(filter).find("state 0"), std::string::npos);
    filter.Clear();
    for (int i = 0; i < 1001; ++i) filter.add_vm_ids("vm-" + std::to_string(i));
    EXPECT_NE(listed(filter).find("at most 1000"), std::string::npos);
    EXPECT_EQ(fixture.calls("ListVms", "invalid_argument"), 6u);
}

TEST_F(VmServiceTest, SaysWhatIsKnownAndLeavesOutWhatIsNot) {
    v1::ListVmsRequest request;
    request.mutable_filter()->add_vm_ids("web-1");
    request.mutable_filter()->set_epoch("2");
    request.mutable_filter()->set_component("");
    const auto answer = client.list_vms(request);
    ASSERT_EQ(answer.messages.size(), 1u);
    const v1::Vm& vm = answer.messages[0].vms(0);
    EXPECT_EQ(vm.ref().epoch(), std::string(32, '2'));
    EXPECT_EQ(vm.state(), v1::VM_STATE_RUNNING);
    EXPECT_EQ(vm.exit_cause(), v1::EXIT_CAUSE_UNSPECIFIED);
    EXPECT_FALSE(vm.has_close_code());
    EXPECT_EQ(vm.uid(), 1001u);
    EXPECT_EQ(vm.segment_bytes(), 1u << 20);
    EXPECT_FALSE(vm.has_archive_bytes());
    EXPECT_EQ(vm.schema().name(), "sample");
    EXPECT_EQ(vm.schema().version(), 3u);
    EXPECT_EQ(vm.schema().hash().size(), 16u);
    EXPECT_EQ(vm.schema().tiers_size(), 2);
    EXPECT_EQ(vm.schema().tiers(0).columns_size(), 7);
    EXPECT_EQ(vm.schema().tiers(1).columns_size(), 6);
    EXPECT_EQ(vm.schema().metrics_size(), 0);
    EXPECT_EQ(vm.schema().metric_count(), 6u);
    EXPECT_EQ(vm.series_count(), 7u);
    EXPECT_EQ(vm.last_write_ns(), kTestNowNs - 1'000'000'000);
    EXPECT_EQ(vm.lag_ns(), 1'000'000'000u);
    EXPECT_FALSE(vm.has_closed_ns());
    EXPECT_FALSE(vm.has_ended_ns());
    EXPECT_EQ(vm.writer_counters().rejected_samples(), 5u);
    ASSERT_EQ(vm.upstreams_size(), 1);
    EXPECT_EQ(vm.upstreams(0).upstream(), "central");
}

TEST_F(VmServiceTest, SaysHowAVmEnded) {
    v1::GetVmRequest request;
    request.set_vm_id("web-2");
    v1::GetVmResponse response;
    ASSERT_TRUE(client.get_vm(request, &response).ok());
    ASSERT_EQ(response.vms_size(), 1);
    const v1::Vm& vm = response.vms(0);
    EXPECT_EQ(vm.state(), v1::VM_STATE_EXITED);
    EXPECT_EQ(vm.exit_cause(), v1::EXIT_CAUSE_CLOSED);
    EXPECT_EQ(vm.close_code(), 3);
    EXPECT_EQ(vm.ended_ns(), kTestNowNs);
    EXPECT_FALSE(vm.has_lag_ns());
}

TEST_F(VmServiceTest, GetsTheNewestEpochOfEachComponentWithItsSchema) {
    v1::GetVmRequest request;
    request.set_vm_id("web-1");
    v1::GetVmResponse response;
    ASSERT_TRUE(client.get_vm(request, &response).ok());
    ASSERT_EQ(response.vms_size(), 2);
    EXPECT_EQ(response.vms(0).ref().epoch(), std::string(32, '2'));
    EXPECT_EQ(response.vms(1).ref().component(), "net");
    const v1::Schema& schema = response.vms(0).schema();
    ASSERT_EQ(schema.metrics_size(), 6);
    EXPECT_EQ(schema.metrics(0).name(), "requests_total");
    EXPECT_EQ(schema.metrics(0).kind(), v1::METRIC_KIND_COUNTER);
    EXPECT_TRUE(schema.metrics(0).shared());
    EXPECT_EQ(schema.metrics(0).label_names(1), "op");
    EXPECT_FALSE(schema.metrics(0).has_histogram());
    EXPECT_EQ(schema.metrics(4).histogram().scale(), 2);
    EXPECT_EQ(schema.metrics(4).histogram().bucket_first(), -3);
    EXPECT_EQ(schema.metrics(4).histogram().bucket_count(), 8u);
    EXPECT_EQ(schema.metrics(3).unit(), "bytes");

    request.set_epoch("11");
    ASSERT_TRUE(client.get_vm(request, &response).ok());
    ASSERT_EQ(response.vms_size(), 1);
    EXPECT_EQ(response.vms(0).state(), v1::VM_STATE_DRAINED);
    EXPECT_EQ(response.vms(0).archive_bytes(), 777u);
}

TEST_F(VmServiceTest, NamesTheNearestVmsForOneThatIsNotThere) {
    v1::GetVmRequest request;
    request.set_vm_id("web-3");
    v1::GetVmResponse response;
    const grpc::Status status = client.get_vm(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(status.error_message(), "there is no VM 'web-3'; did you mean web-1 or web-2?");
    const v1::ErrorInfo info = info_of(status);
    EXPECT_EQ(info.reason(), v1::ERROR_REASON_NO_SUCH_VM);
    ASSERT_EQ(info.nearest_size(), 2);
    EXPECT_EQ(info.nearest(0), "web-1");
}

TEST_F(VmServiceTest, SaysThatOnlyTheEpochOrComponentIsUnknown) {
    v1::GetVmRequest request;
    request.set_vm_id("web-1");
    request.set_component("disk");
    request.set_epoch("ff");
    v1::GetVmResponse response;
    const grpc::Status status = client.get_vm(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(
        status.error_message(),
        "VM 'web-1' is known, but not with component 'disk' and with epoch ff; list the VM to see what there is of it");
}

TEST_F(VmServiceTest, AsksToTryAgainWhileTheFirstScanRuns) {
    fixture.backend.is_ready = false;
    v1::GetVmRequest get;
    get.set_vm_id("web-3");
    v1::GetVmResponse got;
    v1::DrainRequest drain;
    drain.set_vm_id("web-2");
    v1::DrainResponse drained;
    const auto list = client.list_vms({});
    EXPECT_TRUE(list.messages.empty());
    for (const grpc::Status& status : {list.status, client.get_vm(get, &got), client.drain(drain, &drained)}) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
        EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STARTING);
        EXPECT_NE(status.error_message().find("try again"), std::string::npos) << status.error_message();
    }
    fixture.backend.is_ready = true;
    EXPECT_TRUE(client.list_vms({}).status.ok());
}

TEST_F(VmServiceTest, DrainsADeadVmAtOnce) {
    v1::DrainRequest request;
    request.set_vm_id("web-2");
    v1::DrainResponse response;
    const grpc::Status status = client.drain(request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.vms_size(), 1);
    EXPECT_EQ(response.vms(0).state(), v1::VM_STATE_DRAINED);
    EXPECT_EQ(response.vms(0).close_code(), 3);
    // Again: it stays as it is.
    ASSERT_TRUE(client.drain(request, &response).ok());
    EXPECT_EQ(response.vms(0).state(), v1::VM_STATE_DRAINED);
}

TEST_F(VmServiceTest, RefusesToDrainALiveVm) {
    v1::DrainRequest request;
    v1::DrainResponse response;
    for (const char* vm_id : {"web-1", "db"}) {
        request.set_vm_id(vm_id);
        const grpc::Status status = client.drain(request, &response);
        EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << vm_id;
        EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_VM_IS_LIVE);
    }
    request.set_vm_id("web-9");
    EXPECT_EQ(client.drain(request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
    request.set_vm_id("");
    EXPECT_EQ(client.drain(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(VmServiceTest, SaysWhichComponentCouldNotBeDrainedAndHowManyWere) {
    fixture.backend.exit(
        fixture.backend.add({.vm_id = "web-3", .uid = 1, .component = "net", .epoch = 0x66, .seed = 5}),
        ExitCause::kKilled);
    fixture.backend.add({.vm_id = "web-3", .uid = 1, .component = "disk", .epoch = 0x67, .seed = 5});
    v1::DrainRequest request;
    request.set_vm_id("web-3");
    v1::DrainResponse response;
    const grpc::Status status = client.drain(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_VM_IS_LIVE);
    EXPECT_THAT(status.error_message(), testing::StartsWith("component disk: VM web-3"));
    EXPECT_THAT(status.error_message(), testing::EndsWith("(1 of the VM's 2 segments are drained now)"));
    v1::GetVmRequest net;
    net.set_vm_id("web-3");
    net.set_component("net");
    v1::GetVmResponse now;
    ASSERT_TRUE(client.get_vm(net, &now).ok());
    EXPECT_EQ(now.vms(0).state(), v1::VM_STATE_DRAINED);
}

TEST_F(VmServiceTest, PassesOnWhyADrainFailed) {
    v1::DrainRequest request;
    request.set_vm_id("web-2");
    v1::DrainResponse response;
    const std::pair<Code, grpc::StatusCode> codes[] = {
        {Code::kExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
        {Code::kIo, grpc::StatusCode::INTERNAL},
        {Code::kCorrupt, grpc::StatusCode::DATA_LOSS},
        {Code::kTimeout, grpc::StatusCode::UNAVAILABLE},
        {Code::kUnavailable, grpc::StatusCode::UNAVAILABLE},
        {Code::kDenied, grpc::StatusCode::PERMISSION_DENIED},
        {Code::kInternal, grpc::StatusCode::INTERNAL},
        {Code::kExists, grpc::StatusCode::ALREADY_EXISTS},
        {Code::kInvalid, grpc::StatusCode::INVALID_ARGUMENT},
        {Code::kNotFound, grpc::StatusCode::NOT_FOUND},
    };
    for (const auto& [code, expected] : codes) {
        fixture.backend.drain_error = error(code, "the disk says no");
        const grpc::Status status = client.drain(request, &response);
        EXPECT_EQ(status.error_code(), expected);
        EXPECT_EQ(status.error_message(), "the disk says no");
    }
}

TEST_F(VmServiceTest, AnswersOthersWhileADrainWaitsForItsDisk) {
    std::promise<void> begun;
    std::promise<void> release;
    fixture.backend.on_drain = [&](const std::string&) {
        begun.set_value();
        release.get_future().wait();
    };
    grpc::Status drained;
    std::thread drainer([&] {
        v1::DrainRequest request;
        request.set_vm_id("web-2");
        v1::DrainResponse response;
        drained = client.drain(request, &response);
    });
    begun.get_future().wait();
    EXPECT_EQ(listed({}), "db//44 web-1//11 web-1//22 web-1/net/23 web-2//33");
    release.set_value();
    drainer.join();
    EXPECT_TRUE(drained.ok());
}

TEST(VmService, CutsALongListIntoMessages) {
    ApiFixture fixture;
    for (int i = 0; i < 5000; ++i) {
        fixture.backend.add({.vm_id = "vm-" + std::to_string(i), .uid = 1, .state = VmState::kDrained, .windows = 1});
    }
    const auto answer = fixture.connect().list_vms({});
    ASSERT_TRUE(answer.status.ok());
    EXPECT_GT(answer.messages.size(), 2u);
    std::set<std::string> seen;
    for (const auto& message : answer.messages) {
        EXPECT_LT(message.ByteSizeLong(), 1u << 20);
        for (const v1::Vm& vm : message.vms()) seen.insert(vm.ref().vm_id());
    }
    EXPECT_EQ(seen.size(), 5000u);
}

TEST(VmService, CutsTheMetricsOfASchemaMadeToBeLarge) {
    ApiFixture fixture;
    const std::string key = fixture.backend.add({.vm_id = "big", .uid = 1});
    SchemaInfo& schema = *fixture.backend.source(key)->layout;
    MetricInfo fat = schema.metrics[5];
    fat.help = std::string(512, 'h');
    for (int i = 0; i < 4000; ++i) {
        fat.name = "metric_" + std::to_string(i);
        schema.metrics.push_back(fat);
    }
    v1::GetVmRequest request;
    request.set_vm_id("big");
    v1::GetVmResponse response;
    ASSERT_TRUE(fixture.connect().get_vm(request, &response).ok());
    EXPECT_LT(response.ByteSizeLong(), 300u * 1024);
    EXPECT_EQ(response.vms(0).schema().metric_count(), 4006u);
    EXPECT_GT(response.vms(0).schema().metrics_size(), 300);
}

}  // namespace
}  // namespace ringside::agent
