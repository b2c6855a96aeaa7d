package dev.mlxnative;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.concurrent.locks.ReentrantLock;

/** The buffer objects over one memory. */
abstract sealed class NativeHandles {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    /**
     * The usual case: one object over all of it.
     *
     * @param copy whether it has a copy of what it was to share
     */
    static NativeHandles one(NativeHandle handle, boolean copy) {
        return new One(handle, copy);
    }

    /**
     * Objects over a mapping: at once where one covers it all, else as parts of it are asked for.
     *
     * @param access closed before the handles are released
     * @param pages the arena of the mapping, closed after that
     */
    static NativeHandles ofMapping(
            SharedHandle device, long maxBufferLength, Arena access, Arena pages, MemorySegment mapping) {
        Mapping handles = new Mapping(device, maxBufferLength, access, pages, mapping);
        if (handles.wholePages(mapping.byteSize()) <= maxBufferLength) {
            handles.covering(0, mapping.byteSize());
        }
        return handles;
    }

    /**
     * The object that covers these bytes of the memory.
     *
     * @throws IllegalStateException if they are too many for one object
     */
    abstract NativeHandle covering(long offset, long length);

    /** Whether an object has a copy of what it was to share. */
    abstract boolean isCopy();

    abstract void unlabel();

    abstract void release();

    static void warnOfCopy(long bytes) {
        LOG.log(Level.WARNING, "{0} bytes are copied for the device, which cannot share pages with the CPU", bytes);
    }

    private static final class One extends NativeHandles {
        private final NativeHandle handle;
        private final boolean copy;

        One(NativeHandle handle, boolean copy) {
            this.handle = handle;
            this.copy = copy;
        }

        @Override
        NativeHandle covering(long offset, long length) {
            return handle;
        }

        @Override
        boolean isCopy() {
            return copy;
        }

        @Override
        void unlabel() {
            handle.unlabel();
        }

        @Override
        void release() {
            handle.release();
        }
    }

    /**
     * Objects over pages of a read-only mapping, made when they are first asked for. They may overlap: what lies across
     * the end of one gets another, and all of them are the same pages.
     */
    private static final class Mapping extends NativeHandles {
        private final SharedHandle device;
        private final long maxBufferLength;
        private final long pageSize = Shim.pageSize();
        private final Arena access;
        private final Arena pages;
        private final MemorySegment mapping;
        private final ReentrantLock lock = new ReentrantLock();
        /* Guarded by the lock. */
        private final ArrayList<NativeHandle> made = new ArrayList<>();
        private boolean released;
        private volatile boolean copied;

        Mapping(SharedHandle device, long maxBufferLength, Arena access, Arena pages, MemorySegment mapping) {
            this.device = device;
            this.maxBufferLength = maxBufferLength;
            this.access = access;
            this.pages = pages;
            this.mapping = mapping;
        }

        @Override
        NativeHandle covering(long offset, long length) {
            boolean copiedBefore = copied;
            NativeHandle handle = find(offset, length);
            if (copied && !copiedBefore) {
                warnOfCopy(handle.length());
            }
            return handle;
        }

        private NativeHandle find(long offset, long length) {
            lock.lock();
            try {
                for (NativeHandle handle : made) {
                    if (handle.covers(offset, length)) {
                        return handle;
                    }
                }
                if (released) {
                    throw new IllegalStateException("the mapping is closed");
                }
                NativeHandle handle = make(offset, length);
                made.add(handle);
                return handle;
            } finally {
                lock.unlock();
            }
        }

        private NativeHandle make(long offset, long length) {
            long start = offset / pageSize * pageSize;
            long needed = wholePages(offset + length - start);
            long largest = maxBufferLength / pageSize * pageSize;
            if (needed > largest) {
                throw new IllegalStateException(length + " bytes at offset " + offset
                        + " of the mapping are more than one native buffer can have on this device, " + largest
                        + ": take the handle of a slice");
            }
            // As much as one object can have, so that whatever follows is likely to find it made.
            long size = Math.min(largest, wholePages(mapping.byteSize() - start));
            made.ensureCapacity(made.size() + 1);
            try {
                MemorySegment first = MemorySegment.ofAddress(mapping.address() + start);
                return takeOver(Shim.wrapPages(device.handle(), first, size), start, size);
            } catch (UnsupportedOperationException e) {
                return copy(start, Math.min(size, mapping.byteSize() - start));
            }
        }

        private NativeHandle copy(long start, long size) {
            MemorySegment raw = Shim.createBuffer(device.handle(), size);
            boolean done = false;
            try {
                MemorySegment.copy(mapping, start, Shim.contents(raw).reinterpret(size), 0, size);
                done = true;
            } finally {
                // A file that was truncated meanwhile ends the copy with an error.
                if (!done) {
                    Shim.releaseBuffer(raw);
                }
            }
            copied = true;
            return takeOver(raw, start, size);
        }

        private NativeHandle takeOver(MemorySegment raw, long start, long size) {
            try {
                return new NativeHandle(raw, access, start, size);
            } catch (Throwable closedMeanwhile) {
                Shim.releaseBuffer(raw);
                throw closedMeanwhile;
            }
        }

        /** Mapped memory ends with a page, wherever the file ends in it. */
        long wholePages(long length) {
            return (length + pageSize - 1) / pageSize * pageSize;
        }

        @Override
        boolean isCopy() {
            return copied;
        }

        @Override
        void unlabel() {
            throw new AssertionError("a mapping is nobody's to reuse");
        }

        @Override
        void release() {
            lock.lock();
            try {
                released = true;
                made.forEach(NativeHandle::release);
            } finally {
                lock.unlock();
            }
            pages.close();
        }
    }
}
