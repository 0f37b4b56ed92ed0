/* Counts the instructions of an emulated program: a plugin for QEMU's user mode, AArch64 only.
 *
 *   qemu-aarch64 -plugin count.so,marks=FILE PROGRAM
 *
 * At every call of sched_yield(2), which is rare on one thread, it writes to FILE how many
 * instructions all threads have executed so far, and how many of these are vector or floating-point
 * arithmetic: "ALL ARITHMETIC\n". A block that is left early counts as a whole.
 *
 * Debian's package of QEMU has no header: the required declarations are copied from QEMU 7.2's
 * include/qemu/qemu-plugin.h (version 1 of the interface). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *),
                                          enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t,
                                          void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t,
                                                   uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                   uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

enum { SCHED_YIELD = 124, THREADS = 1024 }; /* the call's number on AArch64 */

/* A cache line for each thread, so that they do not contend. */
static struct { _Alignas(64) uint64_t all, arithmetic; } counts[THREADS];
static const char *marks;

int qemu_plugin_version = 1;

/* Bits 25 to 27 of arithmetic on the registers V0 to V31 are ones: Arm ARM (DDI 0487),
 * C4.1, "A64 instruction set encoding"; vector loads and stores are not included. */
static bool is_arithmetic(uint32_t instruction) { return (instruction >> 25 & 7) == 7; }

/* The counts of a block in one word: no block has 65536 instructions. */
static void executed(unsigned thread, void *both)
{
    counts[thread % THREADS].all += (uintptr_t)both & 0xffff;
    counts[thread % THREADS].arithmetic += (uintptr_t)both >> 16;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    uintptr_t all = qemu_plugin_tb_n_insns(block), arithmetic = 0;

    (void)id;
    for (size_t i = 0; i < all; i++) {
        uint32_t instruction;
        memcpy(&instruction, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), 4);
        arithmetic += is_arithmetic(instruction);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS,
                                         (void *)(arithmetic << 16 | all));
}

static void called(qemu_plugin_id_t id, unsigned thread, int64_t call, uint64_t a, uint64_t b,
                   uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    uint64_t all = 0, arithmetic = 0;

    (void)id, (void)thread, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (call != SCHED_YIELD)
        return;
    for (int i = 0; i < THREADS; i++) {
        all += counts[i].all;
        arithmetic += counts[i].arithmetic;
    }
    FILE *file = fopen(marks, "w");
    if (!file || fprintf(file, "%" PRIu64 " %" PRIu64 "\n", all, arithmetic) < 0 || fclose(file)) {
        perror(marks);
        exit(1);
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int n, char **arguments)
{
    (void)info;
    if (n != 1 || strncmp(arguments[0], "marks=", 6)) {
        fputs("count: takes marks=FILE\n", stderr);
        return 1;
    }
    marks = strdup(arguments[0] + 6);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
