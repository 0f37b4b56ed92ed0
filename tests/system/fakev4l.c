/* A V4L2 camera without hardware: preloaded, it plays /dev/video0 to the program it is loaded into.
 *
 *   cc -shared -fPIC -O2 -o fakev4l.so fakev4l.c -ldl
 *   FAKECAM_RAW=images.yuyv FAKECAM_CTL=plug LD_PRELOAD=./fakev4l.so python …
 *
 * FAKECAM_RAW: 640 × 480 YUYV images, played in a loop at 30 a second.
 * FAKECAM_CTL: the camera is there while this file exists (rename it: unplugged; back: plugged in);
 *              while it holds the word "stall", no image comes and reads wait.
 *
 * It stands between the program and libc's open, close, ioctl, select and poll, and answers the
 * requests that OpenCV makes of a streaming camera with mapped buffers.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 640, HEIGHT = 480, BYTES = WIDTH * HEIGHT * 2, RATE = 30, MOST_BUFFERS = 8 };
static const int64_t SECOND = 1000000000;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct {
    int fd;                             /* of the open camera, or -1 */
    unsigned char *buffers;             /* what the program maps, one after the other */
    unsigned char *images;              /* FAKECAM_RAW */
    unsigned n_images, n_buffers, sequence;
    unsigned queue[MOST_BUFFERS], head, tail; /* buffers that wait for an image */
    int64_t next_ns;                    /* when the next image is there */
} camera = {.fd = -1};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static const char *control(void) {
    const char *path = getenv("FAKECAM_CTL");
    return path ? path : "/nonexistent";
}

static int plugged_in(void) { return access(control(), F_OK) == 0; }

static int stalled(void) {
    char word[5] = {0};
    int fd = syscall(SYS_openat, AT_FDCWD, control(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t count = read(fd, word, sizeof word);
    REAL(close)(fd);
    return count == sizeof word && memcmp(word, "stall", sizeof word) == 0;
}

/* Whether a read would return: with an image, or with the news that the camera has gone. */
static int readable(void) { return !plugged_in() || (!stalled() && now_ns() >= camera.next_ns); }

static int wait_readable(int64_t timeout_ns) {
    int64_t end = now_ns() + timeout_ns;
    while (!readable()) {
        if (now_ns() >= end) return 0;
        usleep(1000);
    }
    return 1;
}

static void map_images(void) {
    const char *path = getenv("FAKECAM_RAW");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat status;
    if (fd < 0) return;
    if (fstat(fd, &status) == 0 && status.st_size >= BYTES) {
        camera.images = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        camera.n_images = status.st_size / BYTES;
    }
    REAL(close)(fd);
}

static int open_camera(void) {
    if (!plugged_in()) {
        errno = ENOENT;
        return -1;
    }
    if (camera.images == NULL) map_images();
    size_t size = (size_t)BYTES * MOST_BUFFERS;
    int fd = memfd_create("fakecam", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, size) != 0) return -1;
    camera.buffers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    camera.head = camera.tail = camera.sequence = 0;
    return camera.fd = fd;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int query_capability(struct v4l2_capability *answer) {
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "uvcvideo");
    strcpy((char *)answer->card, "Fake camera");
    strcpy((char *)answer->bus_info, "usb-fake");
    answer->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int format(struct v4l2_format *answer) {
    if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return refuse(EINVAL);
    struct v4l2_pix_format *pixels = &answer->fmt.pix;
    pixels->width = WIDTH;
    pixels->height = HEIGHT;
    pixels->pixelformat = V4L2_PIX_FMT_YUYV;
    pixels->bytesperline = WIDTH * 2;
    pixels->sizeimage = BYTES;
    pixels->field = V4L2_FIELD_NONE;
    pixels->colorspace = V4L2_COLORSPACE_SRGB;
    return 0;
}

static int pace(struct v4l2_streamparm *answer) {
    answer->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    answer->parm.capture.timeperframe = (struct v4l2_fract){1, RATE};
    return 0;
}

static int request_buffers(struct v4l2_requestbuffers *request) {
    if (request->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
    if (request->count > MOST_BUFFERS) request->count = MOST_BUFFERS;
    camera.n_buffers = request->count;
    return 0;
}

static int query_buffer(struct v4l2_buffer *answer) {
    if (answer->index >= camera.n_buffers) return refuse(EINVAL);
    answer->length = BYTES;
    answer->m.offset = answer->index * BYTES;
    answer->flags = 0;
    return 0;
}

static int give_image(struct v4l2_buffer *answer) {
    if (!readable() || camera.head == camera.tail) return refuse(EAGAIN);
    unsigned index = camera.queue[camera.head++ % MOST_BUFFERS];
    unsigned char *buffer = camera.buffers + (size_t)index * BYTES;
    if (camera.n_images)
        memcpy(buffer, camera.images + (size_t)(camera.sequence % camera.n_images) * BYTES, BYTES);
    int64_t now = now_ns();
    *answer = (struct v4l2_buffer){
        .index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .bytesused = BYTES, .length = BYTES,
        .memory = V4L2_MEMORY_MMAP, .m.offset = index * BYTES, .sequence = camera.sequence++,
        .flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
        .timestamp = {now / SECOND, now % SECOND / 1000},
    };
    camera.next_ns += SECOND / RATE;
    if (now - camera.next_ns > SECOND / 5) camera.next_ns = now; /* images missed are gone */
    return 0;
}

static int answer(unsigned long request, void *argument) {
    if (!plugged_in()) return refuse(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: return query_capability(argument);
    case VIDIOC_ENUMINPUT:
        if (((struct v4l2_input *)argument)->index) return refuse(EINVAL);
        ((struct v4l2_input *)argument)->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    case VIDIOC_G_INPUT: *(int *)argument = 0; return 0;
    case VIDIOC_S_INPUT: return 0;
    case VIDIOC_ENUM_FMT:
        if (((struct v4l2_fmtdesc *)argument)->index) return refuse(EINVAL);
        ((struct v4l2_fmtdesc *)argument)->pixelformat = V4L2_PIX_FMT_YUYV;
        return 0;
    case VIDIOC_G_FMT: case VIDIOC_S_FMT: case VIDIOC_TRY_FMT: return format(argument);
    case VIDIOC_G_PARM: case VIDIOC_S_PARM: return pace(argument);
    case VIDIOC_REQBUFS: return request_buffers(argument);
    case VIDIOC_QUERYBUF: return query_buffer(argument);
    case VIDIOC_QBUF:
        camera.queue[camera.tail++ % MOST_BUFFERS] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF: return give_image(argument);
    case VIDIOC_STREAMON: camera.next_ns = now_ns(); return 0;
    case VIDIOC_STREAMOFF: camera.head = camera.tail = 0; return 0;
    default: return refuse(ENOTTY);
    }
}

/* What the program calls instead of libc. */

static int is_camera(const char *path) { return path && strcmp(path, "/dev/video0") == 0; }

#define OPEN(name)                                                      \
    int name(const char *path, int flags, ...) {                        \
        if (is_camera(path)) return open_camera();                      \
        va_list rest;                                                   \
        va_start(rest, flags);                                          \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                   \
        return REAL(name)(path, flags, mode);                           \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (fd >= 0 && fd == camera.fd) {
        munmap(camera.buffers, (size_t)BYTES * MOST_BUFFERS);
        camera.fd = -1;
    }
    return REAL(close)(fd);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fd >= 0 && fd == camera.fd ? answer(request, argument)
                                      : REAL(ioctl)(fd, request, argument);
}

int select(int n, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout) {
    if (camera.fd < 0 || reads == NULL || n != camera.fd + 1 || !FD_ISSET(camera.fd, reads))
        return REAL(select)(n, reads, writes, errors, timeout);
    int64_t patience = timeout ? timeout->tv_sec * SECOND + timeout->tv_usec * 1000 : INT64_MAX / 2;
    if (wait_readable(patience)) return 1;
    FD_ZERO(reads);
    return 0;
}

int poll(struct pollfd *polled, nfds_t n, int timeout_ms) {
    if (n != 1 || camera.fd < 0 || polled->fd != camera.fd)
        return REAL(poll)(polled, n, timeout_ms);
    int64_t patience = timeout_ms < 0 ? INT64_MAX / 2 : timeout_ms * (SECOND / 1000);
    int there = wait_readable(patience);
    polled->revents = !there ? 0 : plugged_in() ? POLLIN : POLLERR | POLLHUP;
    return there;
}
