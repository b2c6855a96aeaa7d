package dev.mlxnative.internal.device;

import dev.mlxnative.internal.background.Log;
import java.lang.foreign.Arena;

/** Closes arenas that the library does not hand out. Foreign code may have tied cleanup actions to their scopes. */
public final class Arenas {
    private Arenas() {}

    /**
     * Closes an arena that is alive. It is closed even if a cleanup action throws, which is logged.
     *
     * @throws IllegalStateException if a native call uses a segment of the arena, which then stays alive
     * @throws WrongThreadException if the arena is confined to another thread, and then stays alive
     */
    public static void close(Arena arena) {
        try {
            arena.close();
        } catch (Throwable e) {
            if (arena.scope().isAlive()) {
                throw e;
            }
            Log.warn("a cleanup action failed that was tied to the memory of a buffer", e);
        }
    }
}
