// A schema that owns what its pointers reach, for programs that build one while they run.
#pragma once

#include <ringside/schema.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace ringside {

class OwnedSchema {
  public:
    // Copies `schema` and everything it points to. It need not obey the rules: rside_schema_check tells.
    explicit OwnedSchema(const rside_schema& schema);
    OwnedSchema(OwnedSchema&&) noexcept;
    OwnedSchema& operator=(OwnedSchema&&) noexcept;
    ~OwnedSchema();

    // Valid as long as this object or the one it was moved into. Never null but in a moved-from object.
    const rside_schema* get() const noexcept;
    const rside_schema& operator*() const noexcept { return *get(); }
    const rside_schema* operator->() const noexcept { return get(); }

    // Makes room for another number of series of one metric: a collector fits a schema to the devices it finds.
    // False, and nothing changed, when the schema has no such metric. The result may break a rule.
    bool set_max_series(std::string_view metric, std::uint32_t max_series) noexcept;

  private:
    struct Storage;
    std::unique_ptr<Storage> storage_;
};

}  // namespace ringside
