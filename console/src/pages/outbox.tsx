import { useState } from "react";
import { Link } from "react-router";
import { Button } from "@carbon/react";
import { listOutbox } from "../api/outbox";
import { date } from "../ui/format";
import { Listing } from "../ui/listing";
import { Empty, Loaded, useLoad } from "../ui/load";
import { useNotices } from "../ui/notices";
import { Page } from "../ui/page";

export default function Outbox() {
  const load = useLoad(() => listOutbox(), []);
  const notices = useNotices();
  const [more, setMore] = useState(false);

  async function loadMore(next: string) {
    if (!load.data || more) return;
    setMore(true);
    try {
      const page = await listOutbox(next);
      load.put({ ...page, messages: [...load.data.messages, ...page.messages] });
    } catch (error) {
      notices.failed(error);
    } finally {
      setMore(false);
    }
  }
  return (
    <Page
      title="Outbox"
      lead={
        load.data?.delivery !== "smtp" &&
        "Mails that this service would have sent. They are kept here, the newest 1,000, until it is given a mail server."
      }
      actions={
        load.data?.delivery === "outbox" && (
          <Button kind="tertiary" disabled={load.loading} onClick={load.reload}>
            Look again
          </Button>
        )
      }
    >
      <Loaded load={load} what="Loading the outbox">
        {({ delivery, messages, next_url: next }) => {
          if (delivery === "smtp") {
            return (
              <Empty title="Mails are sent">
                This service has a mail server (<code>--smtp-url</code>), so no mail is kept here. The log of
                the service says which mails could not be delivered.
              </Empty>
            );
          }
          if (messages.length === 0) {
            return (
              <Empty title="No mail yet">
                The service writes mails, for example when a large export is done. It has no mail server yet,
                so you will find them here. Start it with <code>--smtp-url</code> to have them sent.
              </Empty>
            );
          }
          return (
            <>
              <Listing
                label="Mails"
                rows={messages}
                rowKey={(mail) => mail.id}
                columns={[
                  {
                    title: "Subject",
                    cell: (mail) => (
                      <Link className="cds--link" to={`/outbox/${mail.id}`}>
                        {mail.subject || "(no subject)"}
                      </Link>
                    ),
                  },
                  { title: "To", cell: (mail) => mail.to },
                  { title: "Date", cell: (mail) => date(mail.date) },
                ]}
              />
              {next && (
                <Button kind="tertiary" disabled={more} onClick={() => void loadMore(next)}>
                  {more ? "Loading…" : "Load more"}
                </Button>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
