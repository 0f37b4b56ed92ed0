/* A V4L2 camera without hardware: preloaded, it plays /dev/video0 to 9 to the program it is loaded
 * into, and does what cameras do.
 *
 *   cc -shared -fPIC -O2 -o fakecam.so fakecam.c -ldl
 *   FAKECAM_RAW=images.yuyv FAKECAM_CTL=plug LD_PRELOAD=./fakecam.so python …
 *
 * FAKECAM_RAW: 640 × 480 YUYV images, played in a loop at 30 a second.
 * FAKECAM_MJPG: if it is set, the camera also has MJPG of 1280 × 720: JPEG images, each in JPEG_BYTES
 *              with zeros after it, played in a loop.
 * FAKECAM_MJPG_RATE: how many of those come a second; 30 if it is not set.
 * FAKECAM_LOG: if it is set, when each image was taken is written there (int64, ns of
 *              CLOCK_MONOTONIC).
 * FAKECAM_CTL: the camera is plugged in while this file exists. It holds the number of its device
 *              and a word, "0 live":
 *
 *   live      it plays
 *   stall     no image comes, and reads wait
 *   freeze    the same image comes again and again, also when it is opened anew
 *   black     every image is black, without noise
 *   flip      every image is upside down
 *   nonsense  its driver gives images in buffers that do not exist
 *   hang      a read that begins never returns, whatever the file holds later
 *   leak      its driver loses 8 MiB with each image
 *   crash     opening it is an illegal instruction
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
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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
enum { LARGE_WIDTH = 1280, LARGE_HEIGHT = 720, JPEG_BYTES = 512 << 10 };
enum { LEAKED = 8 << 20, MOST_HANDLES = 1024 };
static const int64_t SECOND = 1000000000;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct {
    unsigned char *buffers;             /* what the program maps, one after the other */
    unsigned char *images;              /* FAKECAM_RAW, or FAKECAM_MJPG */
    int mjpg;                           /* which of them */
    unsigned n_images, n_buffers, sequence, shown;
    unsigned queue[MOST_BUFFERS], head, tail; /* buffers that wait for an image */
    int64_t next_ns;                    /* when the next image is there */
    void *volatile lost;                /* so that the compiler does not clean up */
    char number_of[MOST_HANDLES];       /* under which number a handle was opened, plus one */
} camera;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* What FAKECAM_CTL says: a number and a word; -1 while the camera is unplugged. */
static int control(char word[16]) {
    const char *path = getenv("FAKECAM_CTL");
    char text[32] = {0};
    int number = -1;
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return -1;
    if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%d %15s", &number, word) != 2) number = -1;
    REAL(close)(fd);
    return number;
}

static int does(const char *what) {
    char word[16];
    return control(word) >= 0 && strcmp(word, what) == 0;
}

static int is_ours(int fd) { return fd >= 0 && fd < MOST_HANDLES && camera.number_of[fd]; }

static int plugged_in(int fd) {
    char word[16];
    return control(word) == camera.number_of[fd] - 1;
}

static void hang_if_it_does(void) {
    while (does("hang"))
        for (;;) pause();
}

/* Whether a read would return: with an image, or with the news that the camera has gone. */
static int readable(int fd) {
    return !plugged_in(fd) || (!does("stall") && now_ns() >= camera.next_ns);
}

static int wait_readable(int fd, int64_t timeout_ns) {
    int64_t end = now_ns() + timeout_ns;
    hang_if_it_does();
    while (!readable(fd)) {
        if (now_ns() >= end) return 0;
        usleep(2000);
    }
    return 1;
}

static unsigned image_bytes(void) { return camera.mjpg ? JPEG_BYTES : BYTES; }

static int rate(void) {
    const char *large = getenv("FAKECAM_MJPG_RATE");
    return camera.mjpg && large ? atoi(large) : RATE;
}

static void map_images(void) {
    const char *path = getenv(camera.mjpg ? "FAKECAM_MJPG" : "FAKECAM_RAW");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat status;
    if (fd < 0) return;
    if (fstat(fd, &status) == 0 && status.st_size >= image_bytes()) {
        camera.images = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        camera.n_images = status.st_size / image_bytes();
    }
    REAL(close)(fd);
}

/* The format of the images from now on. */
static void choose(int mjpg) {
    if (camera.images && camera.mjpg == mjpg) return;
    if (camera.images) munmap(camera.images, (size_t)camera.n_images * image_bytes());
    camera.mjpg = mjpg;
    camera.images = NULL;
    camera.n_images = camera.shown = 0;
    map_images();
}

static int open_camera(int number) {
    char word[16];
    if (control(word) != number) {
        errno = ENOENT;
        return -1;
    }
    if (does("crash")) {
        signal(SIGILL, SIG_DFL);
        raise(SIGILL);
    }
    size_t size = (size_t)BYTES * MOST_BUFFERS;
    int fd = memfd_create("fakecam", MFD_CLOEXEC);
    if (fd < 0 || fd >= MOST_HANDLES || ftruncate(fd, size) != 0) return -1;
    if (camera.buffers) munmap(camera.buffers, size);
    camera.buffers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    camera.head = camera.tail = camera.sequence = 0;
    choose(0);
    camera.number_of[fd] = number + 1;
    return fd;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int query_capability(struct v4l2_capability *answer) {
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "uvcvideo");
    strcpy((char *)answer->card, "HD Pro Webcam C920");
    strcpy((char *)answer->bus_info, "usb-0000:00:14.0-1.2");
    answer->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int format(struct v4l2_format *answer, int set) {
    if (answer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE) return refuse(EINVAL);
    struct v4l2_pix_format *pixels = &answer->fmt.pix;
    if (set) choose(getenv("FAKECAM_MJPG") && pixels->pixelformat == V4L2_PIX_FMT_MJPEG);
    pixels->width = camera.mjpg ? LARGE_WIDTH : WIDTH;
    pixels->height = camera.mjpg ? LARGE_HEIGHT : HEIGHT;
    pixels->pixelformat = camera.mjpg ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
    pixels->bytesperline = camera.mjpg ? 0 : WIDTH * 2;
    pixels->sizeimage = image_bytes();
    pixels->field = V4L2_FIELD_NONE;
    pixels->colorspace = V4L2_COLORSPACE_SRGB;
    return 0;
}

static int pace(struct v4l2_streamparm *answer) {
    answer->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    answer->parm.capture.timeperframe = (struct v4l2_fract){1, rate()};
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
    answer->length = image_bytes();
    answer->m.offset = answer->index * BYTES;
    answer->flags = 0;
    return 0;
}

/* YUYV: two neighbours share their colours, so what changes places are pairs and their halves. */
static void copy_upside_down(unsigned char *to, const unsigned char *from) {
    for (const unsigned char *pair = from + BYTES - 4; pair >= from; pair -= 4, to += 4) {
        to[0] = pair[2], to[1] = pair[1], to[2] = pair[0], to[3] = pair[3];
    }
}

static void copy_black(unsigned char *to) {
    for (unsigned i = 0; i < BYTES; i += 2) to[i] = 16, to[i + 1] = 128;
}

static void copy_image(unsigned char *to) {
    if (camera.n_images == 0) return;
    if (!does("freeze")) camera.shown = (camera.shown + 1) % camera.n_images;
    const unsigned char *from = camera.images + (size_t)camera.shown * image_bytes();
    if (camera.mjpg) memcpy(to, from, JPEG_BYTES);
    else if (does("black")) copy_black(to);
    else if (does("flip")) copy_upside_down(to, from);
    else memcpy(to, from, BYTES);
    if (does("leak") && (camera.lost = malloc(LEAKED))) memset(camera.lost, 1, LEAKED);
}

static void note(int64_t taken_ns) {
    const char *path = getenv("FAKECAM_LOG");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    if (write(fd, &taken_ns, sizeof taken_ns) < 0) perror("fakecam: the log");
    REAL(close)(fd);
}

static int give_image(int fd, struct v4l2_buffer *answer) {
    hang_if_it_does();
    if (!readable(fd) || camera.head == camera.tail) return refuse(EAGAIN);
    unsigned index = camera.queue[camera.head++ % MOST_BUFFERS];
    copy_image(camera.buffers + (size_t)index * BYTES);
    int64_t now = now_ns();
    note(now);
    *answer = (struct v4l2_buffer){
        .index = does("nonsense") ? 31 : index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
        .bytesused = image_bytes(), .length = image_bytes(), .memory = V4L2_MEMORY_MMAP, .m.offset = index * BYTES,
        .sequence = camera.sequence++,
        .flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
        .timestamp = {now / SECOND, now % SECOND / 1000},
    };
    camera.next_ns += SECOND / rate();
    if (now - camera.next_ns > SECOND / 5) camera.next_ns = now; /* images missed are gone */
    return 0;
}

static int answer(int fd, unsigned long request, void *argument) {
    if (!plugged_in(fd)) return refuse(ENODEV);
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
    case VIDIOC_S_FMT: return format(argument, 1);
    case VIDIOC_G_FMT: case VIDIOC_TRY_FMT: return format(argument, 0);
    case VIDIOC_G_PARM: case VIDIOC_S_PARM: return pace(argument);
    case VIDIOC_REQBUFS: return request_buffers(argument);
    case VIDIOC_QUERYBUF: return query_buffer(argument);
    case VIDIOC_QBUF:
        camera.queue[camera.tail++ % MOST_BUFFERS] = ((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_DQBUF: return give_image(fd, argument);
    case VIDIOC_STREAMON: camera.next_ns = now_ns(); return 0;
    case VIDIOC_STREAMOFF: camera.head = camera.tail = 0; return 0;
    default: return refuse(ENOTTY);
    }
}

/* What the program calls instead of libc. */

/* The number in a path of one of our devices, or -1. */
static int number_in(const char *path) {
    int ours = path && strncmp(path, "/dev/video", 10) == 0 && strlen(path) == 11;
    return ours && path[10] >= '0' && path[10] <= '9' ? path[10] - '0' : -1;
}

#define OPEN(name)                                                      \
    int name(const char *path, int flags, ...) {                        \
        int number = number_in(path);                                   \
        if (number >= 0) return open_camera(number);                    \
        va_list rest;                                                   \
        va_start(rest, flags);                                          \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                   \
        return REAL(name)(path, flags, mode);                           \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (is_ours(fd)) camera.number_of[fd] = 0;
    return REAL(close)(fd);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return is_ours(fd) ? answer(fd, request, argument) : REAL(ioctl)(fd, request, argument);
}

int select(int n, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout) {
    int fd = n - 1;
    if (!is_ours(fd) || reads == NULL || !FD_ISSET(fd, reads))
        return REAL(select)(n, reads, writes, errors, timeout);
    int64_t patience = timeout ? timeout->tv_sec * SECOND + timeout->tv_usec * 1000 : INT64_MAX / 2;
    if (wait_readable(fd, patience)) return 1;
    FD_ZERO(reads);
    return 0;
}

int poll(struct pollfd *polled, nfds_t n, int timeout_ms) {
    if (n != 1 || !is_ours(polled->fd)) return REAL(poll)(polled, n, timeout_ms);
    int64_t patience = timeout_ms < 0 ? INT64_MAX / 2 : timeout_ms * (SECOND / 1000);
    int there = wait_readable(polled->fd, patience);
    polled->revents = !there ? 0 : plugged_in(polled->fd) ? POLLIN : POLLERR | POLLHUP;
    return there;
}
