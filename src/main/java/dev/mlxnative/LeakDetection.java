package dev.mlxnative;

import java.util.Locale;

/**
 * How many objects are watched for being dropped: they became unreachable, and had never been closed. The system
 * property {@code mlx.leakDetection} is {@code off}, {@code sampled} or {@code full}, and {@code sampled} unless set.
 * It applies to devices, when they are opened, and to pools whose builder does not say otherwise.
 *
 * <p><b>Leases of a pool.</b> The pool ends a watched lease when the garbage collector has found it dropped, and logs a
 * warning with the stack trace of its allocation. The memory is not reused, because GPU work that uses it may still
 * wait; Metal keeps a native buffer alive for that work, unless the command buffer was made with unretained references.
 * So the native buffer is freed or, if other leases share it, the lease's own range is quarantined until they have
 * ended. The warning says which. A lease of a checked pool that a native call uses is ended when the call has returned.
 *
 * <p>A pool that has been {@linkplain MlxBufferPool#reset() reset} leaves dropped leases to its next reset, because
 * such a program ends leases that way. {@link MlxBufferPool#close} reports those that no reset has ended. A scope is
 * watched as a whole: its segments and buffers keep it. In a checked pool, where these have lifetimes of their own,
 * keep the scope itself reachable.
 *
 * <p><b>Objects of a device.</b> Buffers of {@link MlxDevice#allocBuffer}, {@link MlxDevice#map} and
 * {@link MlxDevice#wrap}, {@link MlxSharedEvent} and {@link MlxResidencySet} are few and each costs a call of the
 * driver, so all of them are watched. A dropped one is closed, and a warning is logged, with the stack trace of its
 * creation if it is one of the sample. The segment of a dropped buffer then throws {@link IllegalStateException}; the
 * pages of {@code wrap} stay the caller's and accessible. An event stays open as long as one of its fences is
 * reachable, as by memory that is parked with it, and a residency set as long as a pool uses it.
 *
 * <p>Devices and pools are not watched. A dropped device holds no memory of its own, and a dropped pool loses its free
 * memory to {@link MlxBufferPool.Builder#trimIdleAfter}.
 */
public enum LeakDetection {
    /**
     * Nothing is watched. A dropped lease keeps its memory until {@link MlxBufferPool#reset}, others keep it for good.
     */
    OFF,
    /** The sample is one lease, scope or object in 509 on average: enough to find a leak that repeats. */
    SAMPLED,
    /** The sample is everything, at microseconds and about a kilobyte of heap for each. */
    FULL;

    private static final String PROPERTY = "mlx.leakDetection";

    /**
     * The level that the system property asks for; {@link #SAMPLED} if it asks for none, or may not be read.
     *
     * @throws IllegalArgumentException if it names no level
     */
    static LeakDetection configured() {
        String value = property();
        for (LeakDetection level : values()) {
            if (level.name().equals(value.toUpperCase(Locale.ROOT))) {
                return level;
            }
        }
        throw new IllegalArgumentException(
                "-D" + PROPERTY + "=" + value + " names no level: it is 'off', 'sampled' or 'full'");
    }

    private static String property() {
        try {
            return System.getProperty(PROPERTY, SAMPLED.name());
        } catch (SecurityException e) {
            return SAMPLED.name();
        }
    }
}
