// Tells `count` lines by trace_printk() when it is loaded, as SystemTap's ftrace() tells a script's.
#include <linux/kernel.h>
#include <linux/module.h>

static int count = 1;
module_param(count, int, 0);

// No constant, so that the text is stored and not its format alone: a print event, not a bprint one.
static char *format = "told number=%d\n";

static int __init tell(void) {
  int number;
  for (number = 0; number < count; ++number) trace_printk(format, number);
  return 0;
}

static void __exit leave(void) {}

module_init(tell);
module_exit(leave);
MODULE_LICENSE("GPL");
