#include <gtest/gtest.h>

#include <random>

#include "agent/archive/black_box.h"
#include "tests/support/api_fixture.h"
#include "tests/support/memory_source.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

// Black boxes of two tenants' VMs, with the host's signals beside them.
struct BlackBoxServiceTest : testing::Test {
    BlackBoxServiceTest() {
        for (std::uint32_t uid : {1001u, 1002u}) {
            MemorySource source = random_vm(uid, 6, 4);
            source.info.vm_id = "vm-" + std::to_string(uid);
            source.info.component = "";
            source.info.uid = uid;
            source.info.exit_cause = ExitCause::kOom;
            source.info.close_text = "";  // what is read from segments and archives is UTF-8, random bytes are not
            source.info.ended_ns = kTestNowNs - uid;
            EXPECT_TRUE(box.keep({*archive.add(source, source.info, kTestNowNs)}, kTestNowNs).front().ok());
        }
        fixture.backend.boxes = box.list();
    }
    static std::shared_ptr<const SeriesSource> host() {
        auto source = std::make_shared<MemorySource>(random_vm(7, 3, 3));
        source->info.vm_id = "host-1";
        source->info.uid = 0;
        source->info.close_text = "";
        return source;
    }

    // "vm_id" or "vm_id+" for the host's signals.
    std::string listed(std::uint32_t uid, const v1::VmFilter& filter = {}) {
        const ApiClient client = fixture.connect_as({uid, uid == 0});
        grpc::ClientContext context;
        v1::ListBlackBoxesRequest request;
        *request.mutable_filter() = filter;
        std::string text;
        auto answer = ApiClient::read_all(client.black_box->ListBlackBoxes(&context, request));
        if (!answer.status.ok()) return answer.status.error_message();
        for (const auto& message : answer.messages) {
            for (const v1::BlackBox& file : message.files()) {
                text += (text.empty() ? "" : " ") + file.ref().vm_id() + (file.host_signals() ? "+" : "");
            }
        }
        return text;
    }
    Streamed<v1::ExportBlackBoxResponse> exported(std::uint32_t uid, const std::string& vm_id, bool host_signals) {
        const ApiClient client = fixture.connect_as({uid, uid == 0});
        grpc::ClientContext context;
        v1::ExportBlackBoxRequest request;
        request.set_vm_id(vm_id);
        request.set_host_signals(host_signals);
        return ApiClient::read_all(client.black_box->ExportBlackBox(&context, request));
    }

    TemporaryFolder folder;
    ArchiveStore archive{FileSystem::real(), {folder / "archive", {}}};
    BlackBox box{FileSystem::real(), folder / "box", {}, host};
    ApiFixture fixture;
};

TEST_F(BlackBoxServiceTest, ListsToOperatorsAllAndToTenantsTheirOwn) {
    EXPECT_EQ(listed(0), "vm-1002 vm-1002+ vm-1001 vm-1001+");
    EXPECT_EQ(listed(1001), "vm-1001") << "the host's signals are not the tenant's";
    EXPECT_EQ(listed(4242), "");
    v1::VmFilter other;
    other.add_vm_ids("vm-1002");
    EXPECT_EQ(listed(0, other), "vm-1002 vm-1002+");
    EXPECT_EQ(listed(1001, other), "");
    other.set_component("");
    EXPECT_EQ(listed(0, other), "vm-1002 vm-1002+") << "the signals are beside each component";
}

TEST_F(BlackBoxServiceTest, ExportsTheFileAsItIs) {
    for (bool host_signals : {false, true}) {
        auto answer = exported(0, "vm-1001", host_signals);
        ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
        std::string bytes;
        for (const auto& message : answer.messages) bytes += message.data();
        const auto& file = answer.messages.front().file();
        EXPECT_EQ(file.host_signals(), host_signals);
        EXPECT_EQ(file.bytes(), bytes.size());
        EXPECT_EQ(file.exit_cause(), host_signals ? v1::EXIT_CAUSE_UNSPECIFIED : v1::EXIT_CAUSE_OOM);
        const std::string name = file.ref().vm_id() + "." + file.ref().epoch() + (host_signals ? ".host" : "") + ".rsa";
        EXPECT_EQ(bytes, *read_file(FileSystem::real(), folder / ("box/" + name), 1 << 24));
    }
}

TEST_F(BlackBoxServiceTest, WhatATenantMayNotSeeDoesNotExist) {
    EXPECT_TRUE(exported(1001, "vm-1001", false).status.ok());
    EXPECT_EQ(exported(1001, "vm-1001", true).status.error_code(), grpc::StatusCode::NOT_FOUND);
    const grpc::Status other = exported(1001, "vm-1002", false).status;
    EXPECT_EQ(other.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(other.error_message(), "the black box has nothing of VM 'vm-1002'; did you mean vm-1001?");
    EXPECT_EQ(exported(0, "", false).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BlackBoxServiceTest, AFileThatIsEvictedMeanwhileEndsTheCall) {
    for (const auto& file : box.list()) ASSERT_TRUE(remove_file(FileSystem::real(), file->path()).ok());
    EXPECT_FALSE(exported(0, "vm-1001", false).status.ok());
}

TEST_F(BlackBoxServiceTest, AnExportEndsWithTheFileWithWhichItBegan) {
    // More than connections hold back by themselves.
    MemorySource source = random_vm(5, 1, 1);
    source.info.vm_id = "large";
    source.info.component = "";
    source.info.close_text = "";
    source.info.segment_bytes = 64 << 20;
    source.info.exit_cause = ExitCause::kOom;
    source.layout->tiers = {{1, 1 << 20, kColumnsAll}};
    MetricInfo metric;
    metric.name = "noise";
    metric.kind = Kind::kCounter;
    metric.max_series = 1;
    source.layout->metrics = {metric};
    source.list = {{0, 0, {}, 1}};
    source.runs.clear();
    std::mt19937_64 random(1);
    for (std::uint64_t i = 1; i <= 1 << 20; ++i) {
        SeriesData& run = source.runs[{0, 0}];
        run.end_ns.push_back(i * 1'000'000'000);
        run.flags.push_back(0);
        run.value.push_back(random());
    }
    source.info.ended_ns = source.runs[{0, 0}].end_ns.back();
    box.set_bounds({UINT64_MAX, {}});
    ASSERT_TRUE(box.keep({*archive.add(source, source.info, kTestNowNs)}, kTestNowNs).front().ok());
    fixture.backend.boxes = box.list();
    const std::string path = folder / "box/" + vm_key(source.info) + ".rsa";
    const std::string whole = *read_file(FileSystem::real(), path, 1 << 30);
    ASSERT_GT(whole.size(), std::size_t{6} << 20);

    const ApiClient client = fixture.connect_as({0, true});
    grpc::ClientContext context;
    v1::ExportBlackBoxRequest request;
    request.set_vm_id("large");
    auto reader = client.black_box->ExportBlackBox(&context, request);
    v1::ExportBlackBoxResponse message;
    ASSERT_TRUE(reader->Read(&message));
    std::string got = message.data();
    ASSERT_TRUE(write_file_durably(FileSystem::real(), path, std::string(whole.size(), 'x')).ok());
    while (reader->Read(&message)) got += message.data();
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_TRUE(got == whole) << "bytes of two files";
}

}  // namespace
}  // namespace ringside::agent
