package dev.mlxnative.internal.device;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The use of memory by commands of the GPU: complete when none of them can touch the memory any more. It begins when
 * the first command is encoded, long before the GPU runs it. Uses are compared by identity. Thread-safe.
 *
 * <p>Its answers throw nothing but errors of the VM, and once it is complete it stays so.
 */
@SuppressWarnings("ReferenceEquality") // uses are compared by identity
public abstract class GpuUse implements ProgramBound {
    /** The last result of {@link #after} that is not this use: the buffers of a step were often used alike. */
    private volatile @Nullable Join lastJoin;

    private record Join(GpuUse earlier, GpuUse joined) {}

    /** Whether the use is known to be complete, without a call of the device. */
    public abstract boolean isKnownComplete();

    /** Whether the use is complete; asks the device unless it is known. */
    @Override
    public abstract boolean isComplete();

    /** Whether this use is complete, or completes before {@code later} does, which is not committed. */
    public abstract boolean isBefore(GpuUse later);

    /** Whether this use is another one, or consists of that and others. */
    public boolean includes(GpuUse part) {
        return this == part;
    }

    /** The uses that this one consists of. */
    List<GpuUse> parts() {
        return List.of(this);
    }

    /** The use that is complete when this one, which is not committed, and an earlier one are. */
    public final GpuUse after(@Nullable GpuUse earlier) {
        if (earlier == null || earlier.isBefore(this)) {
            return this;
        }
        Join join = lastJoin;
        if (join == null || join.earlier != earlier) {
            join = new Join(earlier, join(earlier));
            lastJoin = join;
        }
        return join.joined;
    }

    /** The use is committed, so {@link #after} is not called again: earlier uses need not stay reachable. */
    protected final void forgetEarlier() {
        lastJoin = null;
    }

    private JoinedUse join(GpuUse earlier) {
        List<GpuUse> parts = new ArrayList<>();
        parts.add(this);
        for (GpuUse part : earlier.parts()) {
            if (part != this && !part.isBefore(this)) {
                parts.add(part);
            }
        }
        return new JoinedUse(parts);
    }

    /** Uses of the same memory by command buffers that may complete in any order. */
    private static final class JoinedUse extends GpuUse {
        private final List<GpuUse> parts;

        private JoinedUse(List<GpuUse> parts) {
            this.parts = List.copyOf(parts);
        }

        @Override
        public boolean includes(GpuUse part) {
            for (int i = 0; i < parts.size(); i++) {
                if (parts.get(i) == part) {
                    return true;
                }
            }
            return false;
        }

        @Override
        List<GpuUse> parts() {
            return parts;
        }

        @Override
        public boolean isKnownComplete() {
            for (int i = 0; i < parts.size(); i++) {
                if (!parts.get(i).isKnownComplete()) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public boolean isComplete() {
            for (int i = 0; i < parts.size(); i++) {
                if (!parts.get(i).isComplete()) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public boolean isBefore(GpuUse later) {
            for (int i = 0; i < parts.size(); i++) {
                if (!parts.get(i).isBefore(later)) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public boolean waitsForProgram() {
            for (int i = 0; i < parts.size(); i++) {
                if (parts.get(i).waitsForProgram()) {
                    return true;
                }
            }
            return false;
        }

        @Override
        public void await() throws InterruptedException {
            for (GpuUse part : parts) {
                part.await();
            }
        }
    }
}
