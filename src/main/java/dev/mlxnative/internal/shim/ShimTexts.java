package dev.mlxnative.internal.shim;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Texts on their way to C and back. */
final class ShimTexts {
    private ShimTexts() {}

    /** Copies a text and releases it; the empty string if there is none. */
    static String take(MemorySegment text) {
        if (text.address() == 0) {
            return "";
        }
        String copy = copy((buffer, capacity) -> mlxshim_h.mlxshim_text_copy(text, buffer, capacity));
        mlxshim_h.mlxshim_text_release(text);
        return copy;
    }

    /** Copies a text to a buffer, and returns the length of all of it. */
    @FunctionalInterface
    interface TextCopy {
        long copy(MemorySegment buffer, long capacity);
    }

    /** A text of any length. */
    static String copy(TextCopy copy) {
        try (Arena arena = Arena.ofConfined()) {
            long capacity = copy.copy(MemorySegment.NULL, 0) + 1;
            MemorySegment buffer = arena.allocate(capacity);
            copy.copy(buffer, capacity);
            return buffer.getString(0);
        }
    }

    /** A text for C; NULL for null. */
    static MemorySegment allocate(Arena arena, @Nullable String text) {
        return text == null ? MemorySegment.NULL : arena.allocateFrom(text, StandardCharsets.UTF_8);
    }
}
