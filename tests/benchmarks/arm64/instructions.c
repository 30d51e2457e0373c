/* A plugin for qemu-user: how often each translated block of ARM64 code ran, and what it holds.
 *
 * At the end it writes to stderr, tab separated:
 *   block  FILE  OFFSET  EXECUTIONS  INSTRUCTIONS  DOT  FMLA   a block, INSTRUCTIONS long
 *   clock  INSTRUCTIONS                      all that ran before the program read the clock
 * DOT: SDOT and UDOT, 16 INT8 products each. FMLA: 4 float products each. FILE and OFFSET are the
 * library and the place in it, which are the same in every run. Counters are not atomic: run the
 * program on one thread.
 *
 * qemu's plugin header is not packaged by Debian; what is used of interface version 1 is declared
 * here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t,
    void (*)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
             uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

struct block {
  struct block *next;
  uintptr_t address; /* where qemu itself maps the code */
  uint64_t executions, instructions, dot, fmla;
};
static struct block *blocks;

static bool is_dot(uint32_t word) {
  return (word & 0x9FE0FC00) == 0x0E809400     /* SDOT, UDOT (vector) */
         || (word & 0x9FC0F400) == 0x0F80E000  /* SDOT, UDOT (by element) */
         || (word & 0xDFE0FC00) == 0x4E80A400; /* SMMLA, UMMLA */
}

static bool is_fmla(uint32_t word) {
  return (word & 0xBFA0FC00) == 0x0E20CC00     /* FMLA (vector) */
         || (word & 0xBF80F400) == 0x0F801000; /* FMLA (by element) */
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  struct block *block = calloc(1, sizeof *block);
  if (block == NULL) abort();
  block->next = blocks;
  blocks = block;
  block->instructions = qemu_plugin_tb_n_insns(tb);
  block->address = (uintptr_t)qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0));
  for (size_t i = 0; i < block->instructions; i++) {
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof word);
    block->dot += is_dot(word);
    block->fmla += is_fmla(word);
  }
  qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
}

enum { CLOCK_GETTIME = 113 }; /* of ARM64's system calls */

static void called(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a, uint64_t b,
                   uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number != CLOCK_GETTIME) return;
  uint64_t instructions = 0;
  for (struct block *block = blocks; block != NULL; block = block->next) {
    instructions += block->executions * block->instructions;
  }
  fprintf(stderr, "clock\t%llu\n", (unsigned long long)instructions);
}

/* The file mapped at an address, and the offset in it; false where there is none. */
static bool locate(FILE *maps, uintptr_t address, char file[4096], unsigned long *offset) {
  char line[8192];
  rewind(maps);
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end, from;
    file[0] = '\0';
    if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %4095s", &start, &end, &from, file) < 3) continue;
    if (start <= address && address < end) {
      *offset = address - start + from;
      return file[0] != '\0';
    }
  }
  return false;
}

static void finished(qemu_plugin_id_t id, void *data) {
  (void)id, (void)data;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) abort();
  for (struct block *block = blocks; block != NULL; block = block->next) {
    char file[4096];
    unsigned long offset = block->address;
    if (!locate(maps, block->address, file, &offset)) strcpy(file, "?");
    fprintf(stderr, "block\t%s\t%lx\t%llu\t%llu\t%llu\t%llu\n", file, offset,
            (unsigned long long)block->executions, (unsigned long long)block->instructions,
            (unsigned long long)block->dot, (unsigned long long)block->fmla);
  }
  fclose(maps);
}

EXPORT int qemu_plugin_install(
    qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info, (void)argc, (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
