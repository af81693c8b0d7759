/* A program with a static probe, for user.stp: `shop 5` takes five orders. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sdt.h>

int main(int argc, char** argv) {
  const long orders = argc > 1 ? atol(argv[1]) : 3;
  for (long i = 0; i < orders; ++i) STAP_PROBE2(shop, order, i, i % 2 ? "tea" : "\"green\" tea");
  printf("%ld orders\n", orders);
  return 0;
}
