/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of a program in the trace of its machine: when something began and ended, that something happened,
 * how much of something there is. One header for C99 and C++, for Linux on x86-64; elsewhere its functions do
 * nothing.
 *
 *     ivtrace_mark_begin("request");          a slice of the calling thread; slices nest
 *     ivtrace_mark_end();                     ends the innermost one
 *     ivtrace_mark_instant("cache flushed");  a moment
 *     ivtrace_mark_counter("queue", 12);      a value from here on
 *
 *     ivtrace::MarkScope scope("request");    C++: a slice until the scope is left
 *
 * A mark is a line of text in the syntax of Android's atrace (`B|PID|NAME`, `E|PID`, `I|PID|NAME`,
 * `C|PID|NAME|VALUE`), written to the trace_marker file of each recording that ivtrace makes on this machine,
 * host or guest. The kernel puts it into its ring buffer beside its own events, with time, CPU and thread. To
 * write there takes the right to open tracefs, which only root has by default; without it the functions do
 * nothing. For programs without rights there are USDT probes at the same places (provider ivtrace; begin,
 * end, instant, counter; each with a semaphore).
 *
 * While nothing is recorded a mark costs two loads and a comparison (docs/marks.md has the measured figures).
 * A page of memory that all programs share tells when that changes: the file /run/ivtrace/mark, whose first
 * word changes whenever a recording begins or ends. On a machine that has no such file yet, the functions
 * look for it, and for recordings, about every 100 ms.
 *
 * All functions may be called from any thread, from signal handlers and behind fork(). They allocate nothing,
 * take no lock that another thread or a handler could wait for, leave errno as it was, and are no points of
 * thread cancellation. No file is kept open between marks: an open trace_marker would keep its recording from
 * being removed.
 *
 * Names are cut to 240 bytes; `|` and control characters in them become `_`.
 */
#ifndef IVTRACE_MARK_H
#define IVTRACE_MARK_H

#include <stdint.h>

#if defined(__linux__) && defined(__x86_64__) && !defined(__ILP32__) && !defined(IVTRACE_MARK_DISABLE)
#define IVTRACE_MARK_AVAILABLE 1
#else
#define IVTRACE_MARK_AVAILABLE 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if IVTRACE_MARK_AVAILABLE

/* Where things are. Tests put them elsewhere. */
#ifndef IVTRACE_MARK_RUN
#define IVTRACE_MARK_RUN "/run/ivtrace"
#endif
#ifndef IVTRACE_MARK_TRACEFS
#define IVTRACE_MARK_TRACEFS "/sys/kernel/tracing"
#endif
#ifndef IVTRACE_MARK_TRACEFS_OLD
#define IVTRACE_MARK_TRACEFS_OLD "/sys/kernel/debug/tracing"
#endif

enum { ivtrace_mark_max_name_ = 240, ivtrace_mark_max_targets_ = 8, ivtrace_mark_page_ = 4096 };

/* TSC ticks between two looks where there is no file to tell: 0.1 s at 2.7 GHz. */
#define IVTRACE_MARK_LOOK_TICKS_ ((uint64_t)1 << 28)

/*
 * What all of a program (or shared object) knows. `generation` is set once. `targets` belongs to the
 * generation `looked` and is only written by who holds `busy`; who finds it held, in another thread or as a
 * handler that interrupted the holder, looks for itself and keeps nothing. It is held under the process's
 * pid: a child that was forked meanwhile has no thread that would let go of it, and takes it over. A reader
 * takes `looked`, the targets, and `looked` again.
 */
struct ivtrace_mark_state_ {
  const uint32_t* generation; /* the first word of the shared page; NULL: there is no such file yet */
  uint32_t off;               /* the generation in which nothing was recorded; 0: none, no generation is 0 */
  uint32_t looked;            /* the generation in which `targets` were looked for */
  uint32_t busy;              /* the pid of the process, one of whose threads writes; 0: none does */
  uint64_t next_look;         /* a TSC; while there is no file */
  uint64_t targets[ivtrace_mark_max_targets_]; /* kind << 32 | pid; 0 ends the list */
};

/* One in each program, however many of its files include this. */
__attribute__((weak, visibility("hidden"))) struct ivtrace_mark_state_ ivtrace_mark_state_;

enum { ivtrace_mark_host_ = 1, ivtrace_mark_agent_ = 2, ivtrace_mark_top_level_ = 3, ivtrace_mark_old_ = 4 };

/* ---- System calls: by themselves, for errno and thread cancellation are libc's. */

static inline long ivtrace_mark_call_(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
static inline int ivtrace_mark_open_(const char* path, int flags) {
  return (int)ivtrace_mark_call_(257 /* openat */, -100 /* AT_FDCWD */, (long)path,
                                 flags | 02000000 /* O_CLOEXEC */, 0);
}
static inline void ivtrace_mark_close_(int fd) { ivtrace_mark_call_(3, fd, 0, 0, 0); }

static inline uint64_t ivtrace_mark_ticks_(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

/* ---- Text */

static inline char* ivtrace_mark_put_(char* to, const char* text) {
  while (*text) *to++ = *text++;
  return to;
}
static inline char* ivtrace_mark_put_number_(char* to, int64_t value) {
  char digits[20];
  int count = 0;
  uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
  if (value < 0) *to++ = '-';
  do digits[count++] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  while (count > 0) *to++ = digits[--count];
  return to;
}
static inline char* ivtrace_mark_put_name_(char* to, const char* name) {
  int i;
  if (!name) return to;
  for (i = 0; name[i] && i < ivtrace_mark_max_name_; ++i) {
    const unsigned char c = (unsigned char)name[i];
    to[i] = c < 0x20 || c == 0x7f || c == '|' ? '_' : (char)c;
  }
  if (name[i]) { /* not in the middle of a character of UTF-8 */
    while (i > 0 && ((unsigned char)name[i] & 0xc0) == 0x80) --i;
  }
  return to + i;
}

/* ---- Which recordings there are */

/* The target that an instance's name means, 0 for any other: ivtrace-<pid> and ivtrace-agent-<pid>, nothing
 * behind. */
static inline uint64_t ivtrace_mark_target_(const char* name) {
  const char *const prefix = "ivtrace-", *const agent = "agent-";
  uint64_t kind = ivtrace_mark_host_, pid = 0;
  int i;
  for (i = 0; prefix[i]; ++i, ++name) {
    if (*name != prefix[i]) return 0;
  }
  if (*name == 'a') {
    for (i = 0; agent[i]; ++i, ++name) {
      if (*name != agent[i]) return 0;
    }
    kind = ivtrace_mark_agent_;
  }
  for (i = 0; name[i] >= '0' && name[i] <= '9' && i < 10; ++i) pid = pid * 10 + (uint64_t)(name[i] - '0');
  return i == 0 || name[i] || pid > 0x7fffffff ? 0 : kind << 32 | pid;
}

/* Adds those of one tracefs; the count, or -1 when it cannot be opened. */
static inline int ivtrace_mark_list_(const char* instances, uint64_t flag, uint64_t* targets, int count) {
  char entries[1024] __attribute__((aligned(8)));
  long size, at;
  const int fd = ivtrace_mark_open_(instances, 0200000 /* O_RDONLY | O_DIRECTORY */);
  if (fd < 0) return -1;
  while ((size = ivtrace_mark_call_(217 /* getdents64 */, fd, (long)entries, sizeof entries, 0)) > 0) {
    for (at = 0; at < size;) { /* u64 inode, s64 offset, u16 length, u8 type, name */
      uint16_t length;
      uint64_t target;
      __builtin_memcpy(&length, entries + at + 16, sizeof length);
      target = ivtrace_mark_target_(entries + at + 19);
      if (target && count < ivtrace_mark_max_targets_) targets[count++] = target | flag << 32;
      at += length;
    }
  }
  ivtrace_mark_close_(fd);
  return count;
}

/* All recordings of this machine now. */
static inline int ivtrace_mark_look_(uint64_t* targets) {
  uint64_t flag = 0;
  int top_level, count = ivtrace_mark_list_(IVTRACE_MARK_TRACEFS "/instances", 0, targets, 0);
  if (count < 0) {
    flag = ivtrace_mark_old_;
    count = ivtrace_mark_list_(IVTRACE_MARK_TRACEFS_OLD "/instances", flag, targets, 0);
  }
  if (count < 0) return 0;
  top_level = ivtrace_mark_open_(IVTRACE_MARK_RUN "/top-level", 010000000 /* O_PATH */);
  if (top_level >= 0) {
    ivtrace_mark_close_(top_level);
    if (count < ivtrace_mark_max_targets_) targets[count++] = (flag | ivtrace_mark_top_level_) << 32;
  }
  return count;
}

/* Maps the file that tells of changes, if it is there. */
static inline const uint32_t* ivtrace_mark_map_(void) {
  long page;
  const int fd = ivtrace_mark_open_(IVTRACE_MARK_RUN "/mark", 0);
  if (fd < 0) return 0;
  /* A load behind the end of a file would end the program. */
  page = ivtrace_mark_call_(8 /* lseek */, fd, 0, 2 /* SEEK_END */, 0);
  if (page < ivtrace_mark_page_) {
    ivtrace_mark_close_(fd);
    return 0;
  }
  {
    register long r10 __asm__("r10") = 1; /* MAP_SHARED */
    register long r8 __asm__("r8") = fd;
    register long r9 __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(page)
                     : "a"(9L /* mmap */), "D"(0L), "S"((long)ivtrace_mark_page_), "d"(1L /* PROT_READ */),
                       "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
  }
  ivtrace_mark_close_(fd);
  return page < 0 && page > -4096 ? 0 : (const uint32_t*)page;
}

/* Keeps what was found, unless somebody else is just keeping something. */
static inline void ivtrace_mark_keep_(uint32_t generation, const uint64_t* targets, int count) {
  struct ivtrace_mark_state_* const state = &ivtrace_mark_state_;
  const uint32_t pid = (uint32_t)ivtrace_mark_call_(39 /* getpid */, 0, 0, 0, 0);
  uint32_t holder = __atomic_load_n(&state->busy, __ATOMIC_RELAXED);
  int i;
  if (holder == pid ||
      !__atomic_compare_exchange_n(&state->busy, &holder, pid, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;
  __atomic_store_n(&state->looked, 0, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE); /* pairs with the fence in ivtrace_mark_known_ */
  for (i = 0; i < ivtrace_mark_max_targets_; ++i)
    __atomic_store_n(&state->targets[i], i < count ? targets[i] : 0, __ATOMIC_RELAXED);
  __atomic_store_n(&state->looked, generation,
                   __ATOMIC_RELEASE); /* pairs with the load in ivtrace_mark_known_ */
  if (count == 0) __atomic_store_n(&state->off, generation, __ATOMIC_RELAXED);
  __atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
}

/* What is kept of this generation; -1 when nothing is. */
static inline int ivtrace_mark_known_(uint32_t generation, uint64_t* targets) {
  struct ivtrace_mark_state_* const state = &ivtrace_mark_state_;
  int count = 0;
  if (__atomic_load_n(&state->looked, __ATOMIC_ACQUIRE) != generation) return -1;
  while (count < ivtrace_mark_max_targets_) {
    targets[count] = __atomic_load_n(&state->targets[count], __ATOMIC_RELAXED);
    if (targets[count] == 0) break;
    ++count;
  }
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(&state->looked, __ATOMIC_RELAXED) == generation ? count : -1;
}

/* Where marks are to be written now. */
static __attribute__((noinline, unused)) int ivtrace_mark_targets_(uint64_t* targets) {
  struct ivtrace_mark_state_* const state = &ivtrace_mark_state_;
  const uint32_t* word = __atomic_load_n(&state->generation, __ATOMIC_ACQUIRE);
  uint32_t generation = 1; /* of the time without a file, in which a look holds for a while; no file has it */
  int count;
  if (!word) {
    const uint64_t now = ivtrace_mark_ticks_();
    const uint64_t next = __atomic_load_n(&state->next_look, __ATOMIC_RELAXED);
    if (now < next && next - now <= IVTRACE_MARK_LOOK_TICKS_ &&
        (count = ivtrace_mark_known_(1, targets)) >= 0)
      return count;
    __atomic_store_n(&state->next_look, now + IVTRACE_MARK_LOOK_TICKS_, __ATOMIC_RELAXED);
    word = ivtrace_mark_map_();
    /* Two threads may have mapped it: both pages stay, and are the same. */
    if (word) __atomic_store_n(&state->generation, word, __ATOMIC_RELEASE);
  }
  if (word) {
    generation = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&state->generation, __ATOMIC_RELAXED) &&
        (count = ivtrace_mark_known_(generation, targets)) >= 0)
      return count;
  }
  count = ivtrace_mark_look_(targets);
  ivtrace_mark_keep_(generation, targets, count);
  return count;
}

/* ---- Writing */

static inline int ivtrace_mark_write_to_(uint64_t target, const char* text, long size) {
  const uint64_t kind = target >> 32 & 3;
  char path[128], *end;
  long written;
  int fd;
  end = ivtrace_mark_put_(path,
                          target >> 32 & ivtrace_mark_old_ ? IVTRACE_MARK_TRACEFS_OLD : IVTRACE_MARK_TRACEFS);
  if (kind != ivtrace_mark_top_level_) {
    end = ivtrace_mark_put_(
        end, kind == ivtrace_mark_agent_ ? "/instances/ivtrace-agent-" : "/instances/ivtrace-");
    end = ivtrace_mark_put_number_(end, (int64_t)(target & 0x7fffffff));
  }
  end = ivtrace_mark_put_(end, "/trace_marker");
  *end = 0;
  fd = ivtrace_mark_open_(path, 1 /* O_WRONLY */);
  if (fd < 0) {
    /* Gone: without a file that tells of it, look again at the next mark. */
    __atomic_store_n(&ivtrace_mark_state_.next_look, 0, __ATOMIC_RELAXED);
    return 0;
  }
  written = ivtrace_mark_call_(1 /* write */, fd, (long)text, size, 0);
  ivtrace_mark_close_(fd);
  return written == size;
}

/* Writes a text to all recordings; how many took it. */
static inline int ivtrace_mark_write_text_(const uint64_t* targets, int count, const char* text, long size) {
  int i, taken = 0;
  for (i = 0; i < count; ++i) taken += ivtrace_mark_write_to_(targets[i], text, size);
  return taken;
}

static __attribute__((noinline, unused)) int ivtrace_mark_write_(char kind, const char* name, int64_t value) {
  char text[ivtrace_mark_max_name_ + 64], *end = text;
  uint64_t targets[ivtrace_mark_max_targets_];
  const int count = ivtrace_mark_targets_(targets);
  if (count == 0) return 0;
  *end++ = kind;
  *end++ = '|';
  end = ivtrace_mark_put_number_(end, ivtrace_mark_call_(39 /* getpid */, 0, 0, 0, 0));
  if (kind != 'E') {
    *end++ = '|';
    end = ivtrace_mark_put_name_(end, name);
  }
  if (kind == 'C') {
    *end++ = '|';
    end = ivtrace_mark_put_number_(end, value);
  }
  *end++ = '\n';
  return ivtrace_mark_write_text_(targets, count, text, end - text);
}

/* Nothing is recorded, for certain: the one comparison that a mark costs then. */
static inline int ivtrace_mark_is_off_(void) {
  const uint32_t* const word = __atomic_load_n(&ivtrace_mark_state_.generation, __ATOMIC_ACQUIRE);
  return word && __atomic_load_n(word, __ATOMIC_RELAXED) ==
                     __atomic_load_n(&ivtrace_mark_state_.off, __ATOMIC_RELAXED);
}

/* ---- USDT: a nop, and a note in the file that says where it is, what it is called, where its semaphore and
 * its arguments are. (sourceware.org/systemtap/wiki/UserSpaceProbeImplementation; systemtap-sdt-dev is not
 * needed.) */

#ifndef IVTRACE_MARK_NO_USDT
#define IVTRACE_MARK_SEMAPHORE_(name)        \
  __attribute__((weak, visibility("hidden"), \
                 section(".probes"))) volatile unsigned short ivtrace_##name##_semaphore;
IVTRACE_MARK_SEMAPHORE_(begin)
IVTRACE_MARK_SEMAPHORE_(end)
IVTRACE_MARK_SEMAPHORE_(instant)
IVTRACE_MARK_SEMAPHORE_(counter)

#define IVTRACE_MARK_PROBE_(probe, arguments, name, value)                    \
  __asm__ volatile(                                                           \
      "990: nop\n"                                                            \
      ".pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
      ".balign 4\n"                                                           \
      ".4byte 992f-991f, 994f-993f, 3\n"                                      \
      "991: .asciz \"stapsdt\"\n"                                             \
      "992: .balign 4\n"                                                      \
      "993: .8byte 990b\n"                                                    \
      ".8byte _.stapsdt.base\n"                                               \
      ".8byte ivtrace_" #probe                                                \
      "_semaphore\n"                                                          \
      ".asciz \"ivtrace\"\n"                                                  \
      ".asciz \"" #probe                                                      \
      "\"\n"                                                                  \
      ".asciz \"" arguments                                                   \
      "\"\n"                                                                  \
      "994: .balign 4\n"                                                      \
      ".popsection\n"                                                         \
      ".ifndef _.stapsdt.base\n"                                              \
      ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
      ".weak _.stapsdt.base\n"                                                \
      ".hidden _.stapsdt.base\n"                                              \
      "_.stapsdt.base: .space 1\n"                                            \
      ".size _.stapsdt.base, 1\n"                                             \
      ".popsection\n"                                                         \
      ".endif\n" ::"D"(name),                                                 \
      "S"(value)                                                              \
      : "memory")

static __attribute__((noinline, unused)) void ivtrace_mark_probe_begin_(const char* name) {
  IVTRACE_MARK_PROBE_(begin, "8@%%rdi", name, 0L);
}
static __attribute__((noinline, unused)) void ivtrace_mark_probe_end_(void) {
  IVTRACE_MARK_PROBE_(end, "", 0L, 0L);
}
static __attribute__((noinline, unused)) void ivtrace_mark_probe_instant_(const char* name) {
  IVTRACE_MARK_PROBE_(instant, "8@%%rdi", name, 0L);
}
static __attribute__((noinline, unused)) void ivtrace_mark_probe_counter_(const char* name, int64_t value) {
  IVTRACE_MARK_PROBE_(counter, "8@%%rdi -8@%%rsi", name, value);
}
#define IVTRACE_MARK_FIRE_(probe, call)                                                            \
  do {                                                                                             \
    if (__builtin_expect(ivtrace_##probe##_semaphore != 0, 0)) ivtrace_mark_probe_##probe##_ call; \
  } while (0)
#else
#define IVTRACE_MARK_FIRE_(probe, call) \
  do {                                  \
  } while (0)
#endif

/* ---- The library. Each function tells how many recordings took the mark: 0 while nothing is recorded. */

/* A text of the caller's own, as it is: one line with its newline, whose `size` the kernel takes at once
 * (1000 bytes on all kernels). For marks of other threads or processes than the calling ones (docs/marks.md).
 */
static inline int ivtrace_mark_text(const char* text, int size) {
  uint64_t targets[ivtrace_mark_max_targets_];
  if (ivtrace_mark_is_off_()) return 0;
  return ivtrace_mark_write_text_(targets, ivtrace_mark_targets_(targets), text, size);
}

static inline int ivtrace_mark_begin(const char* name) {
  const int taken = __builtin_expect(ivtrace_mark_is_off_(), 1) ? 0 : ivtrace_mark_write_('B', name, 0);
  IVTRACE_MARK_FIRE_(begin, (name));
  return taken;
}
static inline int ivtrace_mark_end(void) {
  const int taken = __builtin_expect(ivtrace_mark_is_off_(), 1) ? 0 : ivtrace_mark_write_('E', 0, 0);
  IVTRACE_MARK_FIRE_(end, ());
  return taken;
}
static inline int ivtrace_mark_instant(const char* name) {
  const int taken = __builtin_expect(ivtrace_mark_is_off_(), 1) ? 0 : ivtrace_mark_write_('I', name, 0);
  IVTRACE_MARK_FIRE_(instant, (name));
  return taken;
}
static inline int ivtrace_mark_counter(const char* name, int64_t value) {
  const int taken = __builtin_expect(ivtrace_mark_is_off_(), 1) ? 0 : ivtrace_mark_write_('C', name, value);
  IVTRACE_MARK_FIRE_(counter, (name, value));
  return taken;
}

#else /* another machine: nothing */

static inline int ivtrace_mark_text(const char* text, int size) { return (void)text, (void)size, 0; }
static inline int ivtrace_mark_begin(const char* name) { return (void)name, 0; }
static inline int ivtrace_mark_end(void) { return 0; }
static inline int ivtrace_mark_instant(const char* name) { return (void)name, 0; }
static inline int ivtrace_mark_counter(const char* name, int64_t value) { return (void)name, (void)value, 0; }

#endif

#ifdef __cplusplus
} /* extern "C" */

namespace ivtrace {

/* A slice of the thread that made it, until it is left. Not to be handed to another thread. */
class MarkScope {
 public:
  explicit MarkScope(const char* name) { ivtrace_mark_begin(name); }
  ~MarkScope() { ivtrace_mark_end(); }

 private:
  MarkScope(const MarkScope&);
  MarkScope& operator=(const MarkScope&);
};

} /* namespace ivtrace */
#endif

#endif /* IVTRACE_MARK_H */
