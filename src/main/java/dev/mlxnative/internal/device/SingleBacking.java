package dev.mlxnative.internal.device;

/** The usual case: one buffer object over all of the memory. */
final class SingleBacking implements Backing {
    private final RefCountedHandle device;
    private final BufferObject object;
    private final boolean copy;

    /**
     * Takes over a buffer object.
     *
     * @param device acquired by the caller, released with this backing
     * @param copy whether the object has a copy of memory that it was to share
     */
    SingleBacking(RefCountedHandle device, BufferObject object, boolean copy) {
        this.device = device;
        this.object = object;
        this.copy = copy;
    }

    @Override
    public BufferObject covering(long offset, long length) {
        return object;
    }

    @Override
    public boolean isCopy() {
        return copy;
    }

    @Override
    public void removeLabel() {
        object.removeLabel();
    }

    @Override
    public boolean setVolatile(boolean isVolatile) {
        return object.setVolatile(isVolatile);
    }

    @Override
    public void release() {
        object.release();
        device.release();
    }
}
