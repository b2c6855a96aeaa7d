/* From the tokens of a Metal source to C++: address spaces are erased, and attributes that are not C++ dropped. */
#ifndef MLXSHIM_MSL_REWRITE_H
#define MLXSHIM_MSL_REWRITE_H

#include "declarations.h"

/* Where a token is in the C++ source. */
struct placed_token {
    uint32_t offset;
    uint32_t token;
};

/* The C++ source, and its tokens in order. */
struct rewritten {
    struct text source;
    struct placed_token *tokens;
    size_t token_count;
    size_t token_capacity;
};

/* Appends an expression or a type as C++, in one line. */
void append_expression(const struct tokens *tokens, struct range range, struct text *out);

/* Rewrites a whole source. Returns false if memory runs out. */
bool rewrite(const struct tokens *tokens, const struct declarations *declarations, struct rewritten *out_rewritten);
void rewritten_free(struct rewritten *rewritten);

#endif
