"""What crosses between the voice and the monitor: columns and numbers out, requests in.

Neither an image nor a landmark has a place in any of these messages. Both processes import this
package, and it imports neither of them.
"""
