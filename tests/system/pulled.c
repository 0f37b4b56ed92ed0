/* A USB card that is pulled out while it plays: preloaded, it stands between PortAudio and ALSA.
 *
 *     cc -shared -fPIC -O2 -o pulled.so pulled.c -ldl
 *     LD_PRELOAD=./pulled.so PULLED=file python …
 *
 * As long as the file exists no sound device is ever ready, though each poll returns at once. As
 * after a real card's end, PortAudio then spins: the stream stays active, and no callback comes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*ask_revents)(void *pcm, struct pollfd *polled, unsigned int n, unsigned short *events);

int snd_pcm_poll_descriptors_revents(void *pcm, struct pollfd *polled, unsigned int n,
                                     unsigned short *events)
{
    static ask_revents real;
    const char *file = getenv("PULLED");
    if (!real) /* ALSA is loaded late and privately, so RTLD_NEXT would not see it */
        real = (ask_revents)dlsym(dlopen("libasound.so.2", RTLD_LAZY),
                                  "snd_pcm_poll_descriptors_revents");
    int error = real(pcm, polled, n, events);
    if (file && access(file, F_OK) == 0)
        *events = 0;
    return error;
}
