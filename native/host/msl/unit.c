#include "unit.h"

#include <inttypes.h>

/* ---- function constants ---- */

/* Appends a value as a C++ expression with the same bits. Returns false if the type is unknown. */
static bool append_value(uint64_t type, uint64_t bits, struct text *out) {
    switch (type) {
        case MLXSHIM_TYPE_FLOAT:
            text_append_format(out, "__builtin_bit_cast(float, 0x%" PRIx32 "u)", (uint32_t)bits);
            return true;
        case MLXSHIM_TYPE_HALF:
            text_append_format(out, "__builtin_bit_cast(half, (unsigned short)%u)", (unsigned)(uint16_t)bits);
            return true;
        case MLXSHIM_TYPE_BFLOAT:
            /* A bfloat is the upper half of a float. */
            text_append_format(out, "__builtin_bit_cast(float, 0x%" PRIx32 "u)", (uint32_t)bits << 16);
            return true;
        case MLXSHIM_TYPE_INT: text_append_format(out, "(int)0x%" PRIx32 "u", (uint32_t)bits); return true;
        case MLXSHIM_TYPE_UINT: text_append_format(out, "0x%" PRIx32 "u", (uint32_t)bits); return true;
        case MLXSHIM_TYPE_SHORT: text_append_format(out, "(short)%d", (int16_t)bits); return true;
        case MLXSHIM_TYPE_USHORT: text_append_format(out, "(unsigned short)%u", (unsigned)(uint16_t)bits); return true;
        case MLXSHIM_TYPE_CHAR: text_append_format(out, "(signed char)%d", (int8_t)bits); return true;
        case MLXSHIM_TYPE_UCHAR: text_append_format(out, "(unsigned char)%u", (unsigned)(uint8_t)bits); return true;
        case MLXSHIM_TYPE_BOOL: text_append_string(out, (bits & 0xFF) != 0 ? "true" : "false"); return true;
        case MLXSHIM_TYPE_LONG: text_append_format(out, "(long)0x%" PRIx64 "ul", bits); return true;
        case MLXSHIM_TYPE_ULONG: text_append_format(out, "0x%" PRIx64 "ul", bits); return true;
        default: return false;
    }
}

bool unit_knows_type(uint64_t type) {
    struct text ignored = {0};
    bool known = append_value(type, 0, &ignored);
    text_free(&ignored);
    return known;
}

static void append_members(const struct mlxshim_function_constant *constant, struct text *out) {
    text_append_string(out, "{ static constexpr bool msl_defined = true; static constexpr auto msl_value = ");
    append_value(constant->type, constant->bits, out);
    text_append_string(out, "; };\n");
}

static bool same_constant(const struct mlxshim_function_constant *one, const struct mlxshim_function_constant *other) {
    if (one->name == NULL || other->name == NULL) {
        return one->name == other->name && one->index == other->index;
    }
    return slice_equals(slice_of(one->name), other->name);
}

/* The last value that is given for a name. NULL if there is none. */
static const struct mlxshim_function_constant *
find_by_name(const struct mlxshim_function_constant *constants, size_t count, struct slice name) {
    const struct mlxshim_function_constant *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (constants[i].name != NULL && slice_equals(name, constants[i].name) && unit_knows_type(constants[i].type)) {
            found = &constants[i];
        }
    }
    return found;
}

static void append_indexed(const struct mlxshim_function_constant *constants, size_t count, struct text *out) {
    for (size_t i = 0; i < count; i++) {
        bool last = constants[i].name == NULL && unit_knows_type(constants[i].type);
        for (size_t later = i + 1; later < count && last; later++) {
            last = !same_constant(&constants[i], &constants[later]);
        }
        if (last) {
            text_append_format(out, "template <> struct msl_entry::indexed<%" PRIu64 "ul> ", constants[i].index);
            append_members(&constants[i], out);
        }
    }
}

/*
 * Every function constant of the source has a type of its name, with its value if it is given by name, and otherwise
 * derived from the type `otherwise`.
 */
static bool append_named(const struct declarations *declarations, const struct mlxshim_function_constant *constants,
                         size_t count, const char *otherwise, struct text *out) {
    struct text_set seen = {0};
    bool failed = false;
    text_append_string(out, "namespace msl_named {\n");
    for (size_t i = 0; i < declarations->constant_count && !failed; i++) {
        struct slice name = declarations->constants[i].name;
        if (!text_set_add(&seen, name, &failed)) {
            continue;
        }
        const struct mlxshim_function_constant *constant = find_by_name(constants, count, name);
        text_append_format(out, "struct %.*s ", (int)name.length, name.start);
        if (constant != NULL) {
            append_members(constant, out);
        } else {
            text_append_format(out, ": msl_entry::%s {};\n", otherwise);
        }
    }
    text_append_string(out, "}\n");
    text_set_free(&seen);
    return !failed;
}

/* ---- the kernel ---- */

static void append_parameter(const struct tokens *tokens, const struct parameter *parameter, struct text *out) {
    bool conditional = parameter->condition.begin < parameter->condition.end;
    if (conditional) {
        text_append_string(out, "msl_entry::when<bool(");
        append_expression(tokens, parameter->condition, out);
        text_append_string(out, "), ");
    }
    if (parameter->kind == PARAMETER_BUILTIN) {
        text_append_format(out, "msl_entry::%.*s", (int)parameter->attribute.length, parameter->attribute.start);
    } else if (parameter->kind == PARAMETER_UNSUPPORTED) {
        text_append_string(out, "msl_entry::absent");
    } else {
        bool buffer = parameter->kind == PARAMETER_BUFFER;
        text_append_string(out, buffer ? "msl_entry::buffer<(" : "msl_entry::threadgroup<(");
        if (parameter->index.begin < parameter->index.end) {
            append_expression(tokens, parameter->index, out);
        } else {
            text_append_format(out, "%zu", parameter->position);
        }
        text_append_string(out, ")>");
    }
    text_append_string(out, conditional ? ">" : "");
}

static void append_max_threads(const struct kernel_function *function, const struct kernel_entry *entry,
                               struct text *out) {
    text_append_string(out, "MSL_EXPORT const uint32_t msl_max_threads = ");
    bool given = function != NULL && function->max_threads.begin < function->max_threads.end;
    bool is_template = given && function->template_header.begin < function->template_header.end;
    if (given && (!is_template || entry->template_arguments != NULL)) {
        text_append_format(out, "::%s%.*s_msl_max_threads_%zu%s", function->path, (int)function->name.length,
                           function->name.start, function->first, is_template ? entry->template_arguments : "");
    } else {
        text_append_string(out, "KERNEL_MAX_THREADS");
    }
    text_append_string(out, ";\n");
}

static void append_kernel(const struct program *program, const struct kernel_entry *entry, struct text *out) {
    const struct kernel_function *function =
        entry->function != SIZE_MAX ? &program->declarations.functions[entry->function] : NULL;
    text_append_format(out, "\nusing msl_kernel = msl_entry::kernel<metal::remove_reference_t<decltype(*(%s))>",
                       entry->expression);
    for (size_t i = 0; function != NULL && i < function->parameter_count; i++) {
        text_append_string(out, ", ");
        append_parameter(&program->tokens, &function->parameters[i], out);
    }
    text_append_string(out, ">;\nMSL_EXPORT const uint32_t msl_parameter_count = msl_kernel::parameter_count;\n"
                            "MSL_EXPORT const msl_kernel::parameter_list msl_parameters = msl_kernel::parameters();\n");
    append_max_threads(function, entry, out);
    text_append_format(out,
                       "MSL_EXPORT void msl_thread(const kernel_group *group, const kernel_thread *thread) {\n"
                       "    msl_kernel::run_thread(%s, *group, *thread);\n"
                       "}\n"
                       "MSL_EXPORT void msl_group(const kernel_group *group) {\n"
                       "    msl_kernel::run_group(%s, *group);\n"
                       "}\n",
                       entry->expression, entry->expression);
}

/*
 * The lanes of a simdgroup that call an operation from the same place take part in it together. Every function is
 * inlined, so that an operation in a function that is called from two places is two places, as it is for a GPU.
 */
static const char inline_all[] = "#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)\n";

bool unit_make(const struct program *program, const struct kernel_entry *entry,
               const struct mlxshim_function_constant *constants, size_t constant_count, struct unit *out_unit) {
    struct unit unit = {.kernel_token = SIZE_MAX};
    append_indexed(constants, constant_count, &unit.text);
    const char *otherwise = entry != NULL ? "undefined" : "unknown";
    bool named = append_named(&program->declarations, constants, constant_count, otherwise, &unit.text);
    text_append_string(&unit.text, inline_all);
    unit.source_begin = unit.text.length;
    text_append_slice(&unit.text, text_slice(&program->rewritten.source));
    text_append_string(&unit.text, "\n#pragma clang attribute pop\n");
    if (entry != NULL) {
        append_kernel(program, entry, &unit.text);
        if (entry->function != SIZE_MAX) {
            unit.kernel_token = program->declarations.functions[entry->function].name_token;
        }
    }
    if (!named || unit.text.failed) {
        unit_free(&unit);
        return false;
    }
    *out_unit = unit;
    return true;
}

void unit_free(struct unit *unit) {
    text_free(&unit->text);
}
