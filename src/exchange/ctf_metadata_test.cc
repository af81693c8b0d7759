#include "exchange/ctf_metadata.h"

#include <gmock/gmock.h>

namespace ivtrace::exchange {
namespace {

using ::testing::HasSubstr;

CtfTrace sample_trace() { return {"vm1", "guest", "6.1 \"x\"", ctf_uuid("trace"), ctf_uuid("clock")}; }

TEST(CtfUuid, IsAUuidAndDiffersByText) {
  const CtfUuid uuid = ctf_uuid("a");
  EXPECT_EQ(uuid, ctf_uuid("a"));
  EXPECT_NE(uuid, ctf_uuid("b"));
  EXPECT_EQ(uuid[6] >> 4, 8);
  EXPECT_EQ(uuid[8] >> 6, 2);
}

TEST(CtfMetadata, TellsTheMachineAndTheClock) {
  const std::string text = ctf_metadata(sample_trace(), {});
  EXPECT_TRUE(text.starts_with("/* CTF 1.8 */\n"));
  EXPECT_THAT(text, HasSubstr("\thostname = \"vm1\";\n"));
  EXPECT_THAT(text, HasSubstr("\tkernel_release = \"6.1 \\\"x\\\"\";\n"));
  EXPECT_THAT(text, HasSubstr("\tabsolute = TRUE;\n"));
  EXPECT_THAT(text, HasSubstr("\tfreq = 1000000000;\n"));
}

TEST(CtfMetadata, DeclaresEachEvent) {
  decode::EventFormat format;
  format.system = "irq";
  format.name = "softirq_entry";
  decode::Field field;
  field.name = "vec";
  field.type = "unsigned int";
  field.offset = 8;
  field.size = field.element_size = 4;
  format.fields.push_back(field);
  const CtfEvent fields(format);
  const std::string text = ctf_metadata(sample_trace(), {{42, {"softirq_entry", &fields}}});
  EXPECT_THAT(text, HasSubstr("event {\n\tname = \"softirq_entry\";\n\tid = 42;\n\tstream_id = 0;\n"
                              "\tfields := struct {\n\t\tuint32_t _vec;\n\t};\n};\n"));
}

}  // namespace
}  // namespace ivtrace::exchange
