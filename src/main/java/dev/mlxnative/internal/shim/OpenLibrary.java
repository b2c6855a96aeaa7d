package dev.mlxnative.internal.shim;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A library that the system's loader has opened, apart from any class loader. The loader has bound every function that
 * the library calls. {@link System#load} leaves that to the first call of each, and the process ends there if it is
 * missing.
 */
final class OpenLibrary implements SymbolLookup, AutoCloseable {
    /** The value on Linux and on macOS. */
    private static final int RTLD_NOW = 2;

    private static final long LONGEST_REASON = 64 << 10;

    private final MemorySegment handle;
    private final MethodHandle dlsym = systemFunction(
            "dlsym", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private final MethodHandle dlclose =
            systemFunction("dlclose", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));

    private OpenLibrary(MemorySegment handle) {
        this.handle = handle;
    }

    /**
     * Opens a library.
     *
     * @throws UnsatisfiedLinkError with the loader's reason
     * @throws IllegalCallerException if native access is denied
     */
    static OpenLibrary open(Path file) {
        MethodHandle dlopen = systemFunction(
                "dlopen", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        MethodHandle dlerror = systemFunction("dlerror", FunctionDescriptor.of(ValueLayout.ADDRESS));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = arena.allocateFrom(ValueLayout.JAVA_BYTE, encoded(file));
            String reason = "";
            // The JVM itself calls the loader when it initialises classes, and that replaces the text of dlerror.
            // In the second round no class is left to initialise.
            for (int round = 0; round < 2; round++) {
                MemorySegment handle = (MemorySegment) dlopen.invokeExact(path, RTLD_NOW);
                if (!handle.equals(MemorySegment.NULL)) {
                    return new OpenLibrary(handle);
                }
                reason = text((MemorySegment) dlerror.invokeExact());
            }
            throw new UnsatisfiedLinkError(reason);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static String text(MemorySegment reason) {
        return reason.equals(MemorySegment.NULL)
                ? "the system gives no reason"
                : reason.reinterpret(LONGEST_REASON).getString(0);
    }

    /** The path as the system's loader takes it, with the NUL at the end. */
    private static byte[] encoded(Path file) {
        return (file + "\0").getBytes(Platform.fileNameCharset());
    }

    @Override
    public Optional<MemorySegment> find(String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment function = (MemorySegment) dlsym.invokeExact(handle, arena.allocateFrom(name));
            return function.equals(MemorySegment.NULL) ? Optional.empty() : Optional.of(function);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Closes the library, which stays in memory if it is loaded otherwise. Its functions must not be called then. */
    @Override
    public void close() {
        try {
            int ignored = (int) dlclose.invokeExact(handle);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static MethodHandle systemFunction(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup()
                        .find(name)
                        .orElseThrow(() -> new UnsatisfiedLinkError("this system has no function " + name)),
                descriptor);
    }

    /** For what a call of C may throw: nothing but errors of the VM. */
    static Error unexpected(Throwable e) {
        return e instanceof Error error ? error : new AssertionError("a function of C throws no exception", e);
    }
}
