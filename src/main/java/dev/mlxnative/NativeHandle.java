package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** One buffer object of the device, over all of a memory or over a part of a mapping that is too large for one. */
final class NativeHandle {
    private final MemorySegment raw;
    private final MemorySegment scoped;
    private final long start;
    private final long length;
    /** The residency sets that have this object. */
    private final List<MlxResidencySet> sets = new CopyOnWriteArrayList<>();

    private volatile boolean labelled;

    /**
     * Takes a buffer object over.
     *
     * @param access closed before {@link #release}
     * @param start where the object starts in the memory, in bytes
     */
    NativeHandle(MemorySegment raw, Arena access, long start, long length) {
        this.raw = MemorySegment.ofAddress(raw.address());
        this.scoped = this.raw.reinterpret(access, null);
        this.start = start;
        this.length = length;
    }

    /** The {@code id<MTLBuffer>}: a native call that gets it keeps the object alive, and throws once it is gone. */
    MemorySegment segment() {
        return scoped;
    }

    /** The same with another lifetime: {@code arena} must end before the object does. */
    MemorySegment segment(Arena arena) {
        return raw.reinterpret(arena, null);
    }

    long start() {
        return start;
    }

    long length() {
        return length;
    }

    boolean covers(long offset, long bytes) {
        return offset >= start && offset + bytes <= start + length;
    }

    void label(@Nullable String text) {
        Shim.label(scoped, text);
        labelled = text != null;
    }

    /** Takes a former holder's label away. */
    void unlabel() {
        if (labelled) {
            label(null);
        }
    }

    void joined(MlxResidencySet set) {
        sets.add(set);
    }

    void left(MlxResidencySet set) {
        sets.remove(set);
    }

    /** Gives the object back. Only once, after {@code access} was closed. */
    void release() {
        for (MlxResidencySet set : sets) {
            set.forget(List.of(this));
        }
        Shim.releaseBuffer(raw);
    }

    /** For the calls of a set that outlive {@code access}. */
    MemorySegment raw() {
        return raw;
    }
}
