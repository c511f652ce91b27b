// LMDB under the load of `table bench`: PUT, MIX, GET of keys and values of 4 bytes, each operation
// a transaction of its own, as each one of a shared table is seen by others at once.
// Usage: lmdb_reference DIRECTORY KEYS; prints a line per phase: name, operations per second; then bytes per key.
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static MDB_env *env;
static MDB_dbi dbi;

static void check(int code) {
    if (code == 0) return;
    fprintf(stderr, "lmdb: %s\n", mdb_strerror(code));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void put(uint32_t number) {
    uint32_t content = number * 2654435761u ^ 0x5A5A5A5A;
    MDB_val key = { 4, &number }, value = { 4, &content };
    MDB_txn *txn;
    check(mdb_txn_begin(env, NULL, 0, &txn));
    check(mdb_put(txn, dbi, &key, &value, 0));
    check(mdb_txn_commit(txn));
}

static void del(uint32_t number) {
    MDB_val key = { 4, &number };
    MDB_txn *txn;
    check(mdb_txn_begin(env, NULL, 0, &txn));
    check(mdb_del(txn, dbi, &key, NULL));
    check(mdb_txn_commit(txn));
}

static void get(MDB_txn *txn, uint32_t number) {
    MDB_val key = { 4, &number }, value;
    check(mdb_txn_renew(txn));
    check(mdb_get(txn, dbi, &key, &value));
    if (value.mv_size != 4 || *(uint32_t *)value.mv_data != (number * 2654435761u ^ 0x5A5A5A5A)) exit(2);
    mdb_txn_reset(txn);
}

int main(int count, char **words) {
    if (count != 3) return 64;
    uint32_t keys = (uint32_t)strtoul(words[2], NULL, 10);
    MDB_txn *txn;
    check(mdb_env_create(&env));
    check(mdb_env_set_mapsize(env, (size_t)16 << 30));
    check(mdb_env_open(env, words[1], MDB_NOSYNC | MDB_WRITEMAP, 0600));
    check(mdb_txn_begin(env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi));
    check(mdb_txn_commit(txn));
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    mdb_txn_reset(txn);
    // Keys in an order that is not LMDB's own: a multiplication by an odd number, undone by none.
    const char *names[] = { "PUT", "MIX", "GET" };
    for (int phase = 0; phase < 3; phase++) {
        double start = now();
        for (uint32_t i = 0; i < keys; i++) {
            uint32_t number = i * 2246822519u;
            if (phase == 0) {
                put(number);
            } else if (phase == 1 && i % 50 == 0) {
                del(number);
                put(number);
            } else {
                get(txn, number);
            }
        }
        printf("%s %.0f\n", names[phase], keys / (now() - start));
    }
    MDB_envinfo info;
    MDB_stat stat;
    check(mdb_env_info(env, &info));
    check(mdb_env_stat(env, &stat));
    printf("bytes %.1f\n", (double)(info.me_last_pgno + 1) * stat.ms_psize / keys);
    return 0;
}
