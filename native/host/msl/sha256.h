/* SHA-256, as FIPS 180-4 defines it: names for what is cached. */
#ifndef MLXSHIM_MSL_SHA256_H
#define MLXSHIM_MSL_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    unsigned char block[64];
};

void sha256_begin(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *bytes, size_t length);
void sha256_end(struct sha256 *sha, unsigned char out_digest[32]);

/* Ends with the digest as 64 hexadecimal digits and a NUL. */
void sha256_end_hex(struct sha256 *sha, char out_hex[65]);

#endif
